// The header tally-seq, and what each producer process has sent to a partition so far.

package main

import (
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	sequenceHeader  = "tally-seq"
	sequenceJumpMax = 10_000_000
	incarnationHex  = 16
)

// sequence is the place of a record among those of one producer process in one partition.
type sequence struct{ incarnation, number uint64 }

// sequenceOf reads the header; of several the last counts. isThere without isValid: there is one that isn't one.
func sequenceOf(headers []kgo.RecordHeader) (s sequence, isThere, isValid bool) {
	for at := len(headers) - 1; at >= 0; at-- {
		if headers[at].Key == sequenceHeader {
			s, isValid = parseSequence(headers[at].Value)
			return s, true, isValid
		}
	}
	return s, false, false
}

// parseSequence reads <16 lower-case hexadecimal digits>:<decimal from 1, no leading zero>.
func parseSequence(text []byte) (s sequence, isValid bool) {
	if len(text) < incarnationHex+2 || text[incarnationHex] != ':' {
		return s, false
	}
	for _, digit := range text[:incarnationHex] {
		if hexValues[digit] == notHex || digit >= 'A' && digit <= 'F' {
			return s, false
		}
		s.incarnation = s.incarnation<<4 | uint64(hexValues[digit])
	}
	decimal := text[incarnationHex+1:]
	if !isDigit(decimal[0]) || decimal[0] == '0' {
		return s, false
	}
	if len(decimal) > 18 { // May be beyond 64 bits, which ParseUint sees.
		var err error
		s.number, err = strconv.ParseUint(string(decimal), 10, 64)
		return s, err == nil
	}
	for _, digit := range decimal {
		if !isDigit(digit) {
			return s, false
		}
		s.number = s.number*10 + uint64(digit-'0')
	}
	return s, true
}

// arrival is what a sequence says about its record.
type arrival uint8

const (
	isNext arrival = iota
	isRedelivered
	isTooFar
)

// sequences remembers the last number of each incarnation in one partition.
type sequences struct {
	last map[uint64]*uint64
	// The last record's incarnation is most often the next one's too.
	recent     uint64
	recentLast *uint64
	// Whether the partition is known from its first record, so that a first number must be 1.
	countsFirst bool
	missing     uint64
}

func newSequences(countsFirst bool) *sequences {
	return &sequences{last: map[uint64]*uint64{}, countsFirst: countsFirst}
}

func (s *sequences) follow(record sequence) arrival {
	if s.recentLast == nil || s.recent != record.incarnation {
		last, isKnown := s.last[record.incarnation]
		if !isKnown {
			return s.begin(record)
		}
		s.recent, s.recentLast = record.incarnation, last
	}
	if record.number <= *s.recentLast {
		return isRedelivered
	}
	jump := record.number - *s.recentLast - 1
	if jump > sequenceJumpMax {
		return isTooFar
	}
	*s.recentLast = record.number
	s.missing += jump
	return isNext
}

func (s *sequences) begin(record sequence) arrival {
	if s.countsFirst {
		if record.number-1 > sequenceJumpMax {
			return isTooFar
		}
		s.missing += record.number - 1
	}
	s.last[record.incarnation] = &record.number
	return isNext
}
