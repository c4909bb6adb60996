// RFC 3339 timestamps as milliseconds since 1970, UTC.
//
// Not by time.Parse, which neither reads leap seconds and lower-case letters nor is quick.

package main

const (
	minuteMs = 60_000
	dayMs    = 86_400_000
	// The years 0 to 9999.
	timestampMsMin = -62_167_219_200_000
	timestampMsMax = 253_402_300_799_999
)

// parseTimestamp reads any form: each offset, any number of fractional digits (cut to milliseconds), leap seconds (the
// first of the next minute).
func parseTimestamp(text []byte) (ms int64, isTime bool) {
	if len(text) < len("2026-11-20T19:12:01Z") || text[4] != '-' || text[7] != '-' || text[10]|0x20 != 't' ||
		text[13] != ':' || text[16] != ':' {
		return 0, false
	}
	year, month, day := number(text[0:4]), number(text[5:7]), number(text[8:10])
	hour, minute, second := number(text[11:13]), number(text[14:16]), number(text[17:19])
	if year < 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 {
		return 0, false
	}
	ms = daysFromCivil(year, month, day)*dayMs + ((hour*60+minute)*60+second)*1_000
	rest := text[19:]
	if rest[0] == '.' {
		digits := 1
		for unit := int64(100); digits < len(rest) && isDigit(rest[digits]); unit /= 10 {
			ms += int64(rest[digits]-'0') * unit
			digits++
		}
		if digits == 1 {
			return 0, false
		}
		rest = rest[digits:]
	}
	offset, isOffset := parseOffset(rest)
	ms -= offset * minuteMs
	return ms, isOffset && ms >= timestampMsMin && ms <= timestampMsMax
}

// parseOffset reads Z or ±hh:mm, in minutes.
func parseOffset(text []byte) (minutes int64, isOffset bool) {
	if len(text) == 1 {
		return 0, text[0]|0x20 == 'z'
	}
	if len(text) != len("+01:00") || text[3] != ':' {
		return 0, false
	}
	hour, minute := number(text[1:3]), number(text[4:6])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, false
	}
	switch text[0] {
	case '+':
		return hour*60 + minute, true
	case '-':
		return -(hour*60 + minute), true
	}
	return 0, false
}

func isDigit(character byte) bool {
	return character >= '0' && character <= '9'
}

// number reads decimal digits; negative if one isn't.
func number(digits []byte) (value int64) {
	for _, digit := range digits {
		if !isDigit(digit) {
			return -1
		}
		value = value*10 + int64(digit-'0')
	}
	return value
}

func daysInMonth(year, month int64) int64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysFromCivil counts the days from 1970-01-01 to a date, with a year that begins in March so that its last day is the
// leap day.
func daysFromCivil(year, month, day int64) int64 {
	if month <= 2 {
		year--
		month += 12
	}
	leapDays := floorDiv(year, 4) - floorDiv(year, 100) + floorDiv(year, 400)
	return year*365 + leapDays + (153*(month-3)+2)/5 + day - 1 - 719_468
}

// floorDiv divides towards the past, where Go divides towards zero.
func floorDiv(number, by int64) int64 {
	quotient := number / by
	if number%by < 0 {
		quotient--
	}
	return quotient
}
