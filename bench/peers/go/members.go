// The members of a record's value: JSON bytes → texts and integers, of the right types but not looked at yet.
//
// jx reads the object in one pass without copying (of the libraries tried that let a doubled member be seen it was
// the fastest). It is laxer than the wire format in a few places: minus zero, halves of surrogate pairs,
// and an unfit member in a value of a later schema version. So the quick reader gives up on all that is unusual, and the
// careful one looks at such a value again, member by member.

package main

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"unicode/utf8"

	"github.com/go-faster/jx"
)

// Known members. The texts come first, so that a member below textCount is one.
const (
	memberID = iota
	memberAccount
	memberType
	memberCurrency
	memberMerchantName
	memberMerchantCategory
	memberCountry
	memberChannel
	memberOccurredAt
	textCount
	memberAmount  = textCount
	memberVersion = textCount + 1
	memberCount   = textCount + 2
)

const allMembers = 1<<memberCount - 1

var errUnusual = errors.New("not a plain transaction")

func memberOf(name []byte) int {
	switch string(name) {
	case "id":
		return memberID
	case "account":
		return memberAccount
	case "type":
		return memberType
	case "amount_minor":
		return memberAmount
	case "currency":
		return memberCurrency
	case "merchant_name":
		return memberMerchantName
	case "merchant_category":
		return memberMerchantCategory
	case "country":
		return memberCountry
	case "channel":
		return memberChannel
	case "occurred_at":
		return memberOccurredAt
	case "schema_version":
		return memberVersion
	}
	return unknown
}

// members reads values one after the other; what it has read is valid until the next.
type members struct {
	texts         [textCount][]byte
	amountMinor   int64
	schemaVersion int64
	seen          uint
	decoder       jx.Decoder
	onMember      func(*jx.Decoder, []byte) error
}

func newMembers() *members {
	m := &members{}
	m.onMember = m.quickMember // Bound once, not once a record.
	return m
}

// read fills the members, or says why the value has none.
func (m *members) read(value []byte) reason {
	if !utf8.Valid(value) {
		return malformedJSON
	}
	// Without a backslash every text is the bytes between its quotes.
	if bytes.IndexByte(value, '\\') < 0 && m.readQuickly(value) {
		return accepted
	}
	return m.readCarefully(value)
}

func (m *members) readQuickly(value []byte) bool {
	m.seen = 0
	m.decoder.ResetBytes(value)
	if m.decoder.ObjBytes(m.onMember) != nil || m.seen != allMembers || m.schemaVersion != 1 {
		return false
	}
	return m.decoder.Skip() == io.EOF // Nothing but white space behind the object.
}

func (m *members) quickMember(d *jx.Decoder, name []byte) (err error) {
	member := memberOf(name)
	if member == unknown {
		return d.Skip()
	}
	if m.seen&(1<<member) != 0 {
		return errUnusual
	}
	m.seen |= 1 << member
	switch member {
	case memberAmount:
		if m.amountMinor, err = d.Int64(); m.amountMinor == 0 {
			return errUnusual // It may have been minus zero.
		}
	case memberVersion:
		m.schemaVersion, err = d.Int64()
	default:
		m.texts[member], err = d.StrBytes()
	}
	return err
}

// readCarefully reads any value. A schema version other than 1 has the first word, whatever the other members are.
func (m *members) readCarefully(value []byte) reason {
	m.seen = 0
	versions, isFit := 0, true
	decoder := jx.DecodeBytes(value)
	err := decoder.ObjBytes(func(d *jx.Decoder, name []byte) error {
		member := memberOf(name)
		raw, err := d.Raw()
		if err != nil || member == unknown {
			return err
		}
		isKnownType := false
		switch member {
		case memberAmount:
			m.amountMinor, isKnownType = integer(raw)
		case memberVersion:
			versions++
			if m.schemaVersion, isKnownType = integer(raw); !isKnownType {
				return errUnusual
			}
		default:
			m.texts[member], isKnownType = text(raw)
		}
		isFit = isFit && isKnownType && m.seen&(1<<member) == 0
		m.seen |= 1 << member
		return nil
	})
	switch {
	case err != nil || decoder.Skip() != io.EOF || versions != 1:
		return malformedJSON
	case m.schemaVersion != 1:
		return unsupportedSchemaVersion
	case !isFit || m.seen != allMembers:
		return malformedJSON
	}
	return accepted
}

// integer reads a JSON number that is written as an integer of 64 bits; minus zero is none.
func integer(raw []byte) (int64, bool) {
	number, err := strconv.ParseInt(string(raw), 10, 64)
	return number, err == nil && string(raw) != "-0"
}

// text reads a JSON string. Half a surrogate pair is no character.
func text(raw []byte) ([]byte, bool) {
	if raw[0] != '"' || hasLoneSurrogate(raw) {
		return nil, false
	}
	decoded, err := jx.DecodeBytes(raw).StrBytes()
	return decoded, err == nil
}

// hasLoneSurrogate looks through a valid JSON string for a \ud8xx that no \udcxx follows, or the other way round.
func hasLoneSurrogate(raw []byte) bool {
	escaped := func(at int) int64 {
		if at+6 > len(raw) || raw[at] != '\\' || raw[at+1] != 'u' {
			return 0
		}
		unit, _ := strconv.ParseInt(string(raw[at+2:at+6]), 16, 32)
		return unit
	}
	for at := 0; at < len(raw); at++ {
		if raw[at] != '\\' {
			continue
		}
		switch unit := escaped(at); {
		case unit>>10 == 0xd800>>10 && escaped(at+6)>>10 == 0xdc00>>10:
			at += 11
		case unit>>11 == 0xd800>>11:
			return true
		default:
			at++ // The escaped character, which may be a backslash.
		}
	}
	return false
}
