// Makes transactions, in the wire format, with their headers, as records ready to be sent.

package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	intendedHeader = "tally-intended-us"
	valueRoom      = 384
	headerRoom     = 64
)

var (
	usualCurrencies = []string{"EUR", "USD", "GBP", "JPY", "CHF", "SEK", "PLN", "BRL", "INR", "KWD"}
	usualCountries  = []string{"DE", "FR", "ES", "IT", "NL", "GB", "US", "JP", "CH", "SE", "PL", "BR", "IN", "KW"}
	merchants       = merchantNames()
)

func merchantNames() (names []string) {
	for _, place := range []string{"Harbour", "Old Town", "Northgate", "Riverside", "Station", "Hillcrest", "Market Square"} {
		for _, trade := range []string{"Coffee", "Books", "Bakery", "Outfitters", "Garage", "Pharmacy", "Electronics", "Garden"} {
			for _, form := range []string{"Ltd", "GmbH", "and Sons", "Partners LLC", "SARL"} {
				names = append(names, place+" "+trade+" "+form)
			}
		}
	}
	return names
}

// envelope is a record with room for its bytes, so that one can be used again once it is acknowledged.
type envelope struct {
	kgo.Record
	value   [valueRoom]byte
	header  [headerRoom]byte
	headers [2]kgo.RecordHeader
}

// generator is one life of a producer: an incarnation, and a sequence for each partition.
type generator struct {
	topic       string
	accounts    int
	random      *rand.Rand
	incarnation string
	sequences   []uint64
	second      int64
	secondText  []byte // occurred_at up to its fraction, kept while the second stays the same.
}

func newGenerator(topic string, accounts, partitions int) *generator {
	return &generator{
		topic:       topic,
		accounts:    accounts,
		random:      rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
		incarnation: fmt.Sprintf("%016x", rand.Uint64()),
		sequences:   make([]uint64, partitions),
	}
}

// fill makes a new transaction that occurs at a time, and is meant to be sent then.
func (g *generator) fill(e *envelope, at time.Time) {
	pick := func(from []string) string { return from[g.random.IntN(len(from))] }
	b := e.value[:0]
	b = append(b, `{"id":"`...)
	b = g.appendID(b)
	b = append(b, `","account":"`...)
	keyFrom := len(b)
	b = append(b, "ACC-"...)
	b = appendDigits(b, g.random.IntN(g.accounts), 8)
	key := b[keyFrom:]
	b = append(b, `","type":"`...)
	b = append(b, pick(types)...)
	b = append(b, `","amount_minor":`...)
	// Small amounts are far more frequent than large ones.
	b = strconv.AppendInt(b, 1+g.random.Int64N(1_000<<g.random.IntN(12)), 10)
	b = append(b, `,"currency":"`...)
	b = append(b, pick(usualCurrencies)...)
	b = append(b, `","merchant_name":"`...)
	b = append(b, pick(merchants)...)
	b = append(b, `","merchant_category":"`...)
	b = append(b, pick(categories)...)
	b = append(b, `","country":"`...)
	b = append(b, pick(usualCountries)...)
	b = append(b, `","channel":"`...)
	b = append(b, pick(channels)...)
	b = append(b, `","occurred_at":"`...)
	if at.Unix() != g.second || g.secondText == nil {
		g.second = at.Unix()
		g.secondText = at.UTC().AppendFormat(g.secondText[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, g.secondText...)
	b = appendDigits(b, at.Nanosecond()/1_000_000, 3)
	b = append(b, `Z","schema_version":1}`...)

	partition := partitionOf(key, len(g.sequences))
	g.sequences[partition]++
	h := append(e.header[:0], g.incarnation...)
	h = append(h, ':')
	h = strconv.AppendUint(h, g.sequences[partition], 10)
	sequenceEnd := len(h)
	h = strconv.AppendInt(h, at.UnixMicro(), 10)
	e.headers = [2]kgo.RecordHeader{
		{Key: sequenceHeader, Value: h[:sequenceEnd]}, {Key: intendedHeader, Value: h[sequenceEnd:]},
	}
	e.Record = kgo.Record{
		Topic: g.topic, Partition: int32(partition), Key: key, Value: b, Headers: e.headers[:], Timestamp: at,
	}
}

// appendID writes a random UUID (version 4).
func (g *generator) appendID(b []byte) []byte {
	const digits = "0123456789abcdef"
	halves := [2]uint64{g.random.Uint64()&^0xf000 | 0x4000, g.random.Uint64()>>2 | 1<<63}
	for place := range 32 {
		if place == 8 || place == 12 || place == 16 || place == 20 {
			b = append(b, '-')
		}
		b = append(b, digits[halves[place/16]>>(60-4*(place%16))&0xf])
	}
	return b
}

// appendDigits writes a number with leading zeros.
func appendDigits(b []byte, number, width int) []byte {
	from := len(b)
	b = append(b, "00000000"[:width]...)
	for at := from + width - 1; at >= from; at-- {
		b[at] = byte('0' + number%10)
		number /= 10
	}
	return b
}

// partitionOf is the partition of a key, as the Java client's default chooses it: murmur2.
func partitionOf(key []byte, partitions int) int {
	const multiplier = 0x5bd1_e995
	hash := uint32(0x9747_b28c) ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		word := uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24
		word *= multiplier
		word ^= word >> 24
		hash = hash*multiplier ^ word*multiplier
	}
	switch len(key) {
	case 3:
		hash ^= uint32(key[2]) << 16
		fallthrough
	case 2:
		hash ^= uint32(key[1]) << 8
		fallthrough
	case 1:
		hash = (hash ^ uint32(key[0])) * multiplier
	}
	hash = (hash ^ hash>>13) * multiplier
	hash ^= hash >> 15
	return int(hash&0x7fff_ffff) % partitions
}
