// The closed lists of the wire format, and how their members are found.
//
// A member is its place in the list, one small number, so that totals are arrays and not maps of strings.

package main

import "strings"

var (
	types      = []string{"purchase", "refund", "withdrawal", "transfer", "deposit"}
	channels   = []string{"card_present", "online", "mobile", "atm"}
	categories = []string{
		"groceries", "restaurants", "fuel", "transport", "travel", "lodging", "entertainment", "electronics", "clothing",
		"household", "health", "pharmacy", "utilities", "telecom", "education", "insurance", "charity", "digital_goods",
		"gambling", "financial", "other",
	}
	// ISO 4217 codes that have a minor unit.
	currencies = strings.Fields(`
		AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE CHF
		CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD
		HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD
		MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG
		QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD
		TZS UAH UGX USD USN UYI UYU UYW UZS VED VES VND VUV WST XAD XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL`)
	// ISO 3166-1 alpha-2 codes that are officially assigned.
	countries = strings.Fields(`
		AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA CC
		CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD
		GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH
		KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW
		MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC
		SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY
		UZ VA VC VE VG VI VN VU WF WS YE YT ZA ZM ZW`)
)

// Sizes of the lists, as constants so that arrays can have them; init checks them.
const (
	typeCount     = 5
	channelCount  = 4
	categoryCount = 21
	currencyCount = 170
	countryCount  = 249
)

const unknown = -1

// Codes of capital letters are looked up in a table indexed by the letters: one load a record instead of a hash.
var (
	currencyPlaces [26 * 26 * 26]int16
	countryPlaces  [26 * 26]int16
)

func init() {
	if len(types) != typeCount || len(channels) != channelCount || len(categories) != categoryCount ||
		len(currencies) != currencyCount || len(countries) != countryCount {
		panic("a list doesn't have the size that is written down")
	}
	fill(currencyPlaces[:], currencies)
	fill(countryPlaces[:], countries)
}

func fill(places []int16, codes []string) {
	for slot := range places {
		places[slot] = unknown
	}
	for place, code := range codes {
		places[letters([]byte(code))] = int16(place)
	}
}

// letters is the slot of a code of capital letters, or unknown.
func letters(code []byte) int {
	slot := 0
	for _, letter := range code {
		if letter < 'A' || letter > 'Z' {
			return unknown
		}
		slot = slot*26 + int(letter-'A')
	}
	return slot
}

func currencyOf(code []byte) int {
	if len(code) != 3 {
		return unknown
	}
	if slot := letters(code); slot >= 0 {
		return int(currencyPlaces[slot])
	}
	return unknown
}

func countryOf(code []byte) int {
	if len(code) != 2 {
		return unknown
	}
	if slot := letters(code); slot >= 0 {
		return int(countryPlaces[slot])
	}
	return unknown
}

func typeOf(code []byte) int {
	switch string(code) {
	case "purchase":
		return 0
	case "refund":
		return 1
	case "withdrawal":
		return 2
	case "transfer":
		return 3
	case "deposit":
		return 4
	}
	return unknown
}

func channelOf(code []byte) int {
	switch string(code) {
	case "card_present":
		return 0
	case "online":
		return 1
	case "mobile":
		return 2
	case "atm":
		return 3
	}
	return unknown
}

var categoryPlaces = func() map[string]int {
	places := map[string]int{}
	for place, code := range categories {
		places[code] = place
	}
	return places
}()

// categoryOf is the place of a category; what isn't in the list counts as "other".
func categoryOf(text []byte) int {
	if place, ok := categoryPlaces[string(text)]; ok {
		return place
	}
	return categoryCount - 1
}
