// From a record's value to a transaction, or to the reason why it is none. The order of the checks is the contract's.

package main

import "unicode/utf8"

// reason is why a record was rejected; accepted is none.
type reason uint8

const (
	accepted reason = iota
	invalidHeader
	empty
	tooLarge
	malformedJSON
	unsupportedSchemaVersion
	invalidID
	invalidAccount
	unknownType
	unknownCurrency
	invalidAmount
	invalidMerchant
	invalidCountry
	invalidChannel
	invalidTime
	futureDated
	reasonCount
)

var reasonCodes = [reasonCount]string{
	"", "invalid_header", "empty", "too_large", "malformed_json", "unsupported_schema_version", "invalid_id",
	"invalid_account", "unknown_type", "unknown_currency", "invalid_amount", "invalid_merchant", "invalid_country",
	"invalid_channel", "invalid_time", "future_dated",
}

const (
	valueBytesMax    = 65_536
	accountBytesMax  = 64
	merchantBytesMax = 256
	amountMax        = 1_000_000_000_000
	futureSkewMs     = 5 * 60_000
)

// transaction is what the totals need of a valid record.
type transaction struct {
	idHigh, idLow                                uint64
	kind, currency, category, country, channel   int
	amountMinor, occurredAtMs, recordTimestampMs int64
}

// decode fills a transaction from a record's value.
func (m *members) decode(value []byte, timestampMs int64, into *transaction) reason {
	if len(value) == 0 {
		return empty
	}
	if len(value) > valueBytesMax {
		return tooLarge
	}
	if why := m.read(value); why != accepted {
		return why
	}
	var isThere bool
	if into.idHigh, into.idLow, isThere = parseID(m.texts[memberID]); !isThere {
		return invalidID
	}
	if !isAccount(m.texts[memberAccount]) {
		return invalidAccount
	}
	if into.kind = typeOf(m.texts[memberType]); into.kind == unknown {
		return unknownType
	}
	if into.currency = currencyOf(m.texts[memberCurrency]); into.currency == unknown {
		return unknownCurrency
	}
	if into.amountMinor = m.amountMinor; into.amountMinor < 1 || into.amountMinor > amountMax {
		return invalidAmount
	}
	if !isName(m.texts[memberMerchantName]) {
		return invalidMerchant
	}
	if into.country = countryOf(m.texts[memberCountry]); into.country == unknown {
		return invalidCountry
	}
	if into.channel = channelOf(m.texts[memberChannel]); into.channel == unknown {
		return invalidChannel
	}
	if into.occurredAtMs, isThere = parseTimestamp(m.texts[memberOccurredAt]); !isThere {
		return invalidTime
	}
	if into.occurredAtMs-futureSkewMs > timestampMs {
		return futureDated
	}
	into.category = categoryOf(m.texts[memberMerchantCategory])
	into.recordTimestampMs = timestampMs
	return accepted
}

// notHex marks a byte that is no hexadecimal digit.
const notHex = 0xff

var hexValues = func() (values [256]byte) {
	for digit := range values {
		switch {
		case digit >= '0' && digit <= '9':
			values[digit] = byte(digit - '0')
		case digit >= 'a' && digit <= 'f':
			values[digit] = byte(digit - 'a' + 10)
		case digit >= 'A' && digit <= 'F':
			values[digit] = byte(digit - 'A' + 10)
		default:
			values[digit] = notHex
		}
	}
	return values
}()

// parseID reads a UUID's 36 characters as two halves of 64 bits.
func parseID(text []byte) (high, low uint64, isID bool) {
	if len(text) != 36 || text[8] != '-' || text[13] != '-' || text[18] != '-' || text[23] != '-' {
		return 0, 0, false
	}
	var invalid byte
	digits := func(number uint64, from, to int) uint64 {
		for _, digit := range text[from:to] {
			value := hexValues[digit]
			invalid |= value
			number = number<<4 | uint64(value&0xf)
		}
		return number
	}
	high = digits(digits(digits(0, 0, 8), 9, 13), 14, 18)
	low = digits(digits(0, 19, 23), 24, 36)
	return high, low, invalid&0xf0 == 0
}

func isAccount(text []byte) bool {
	if len(text) < 1 || len(text) > accountBytesMax {
		return false
	}
	for _, character := range text {
		if character < ' ' || character > '~' {
			return false
		}
	}
	return true
}

// isName says whether a text is a merchant's name: not empty, not too long, no control characters.
func isName(text []byte) bool {
	if len(text) < 1 || len(text) > merchantBytesMax {
		return false
	}
	for at, character := range text {
		switch {
		case character < ' ' || character == 0x7f:
			return false
		case character >= utf8.RuneSelf:
			return !hasControl(text[at:])
		}
	}
	return true
}

func hasControl(text []byte) bool {
	for _, character := range string(text) {
		if character < ' ' || character >= 0x7f && character <= 0x9f {
			return true
		}
	}
	return false
}
