package peers;

import java.util.Arrays;

/**
 * The closed lists of the wire format, and how their members are found.
 *
 * <p>A member is its place in the list, one small number, so that totals are arrays and not maps of strings. Texts come as
 * the parser's characters, so that finding a member makes no object.
 */
final class Lists {
    static final int UNKNOWN = -1;

    static final String[] TYPES = {"purchase", "refund", "withdrawal", "transfer", "deposit"};
    static final String[] CHANNELS = {"card_present", "online", "mobile", "atm"};
    static final String[] CATEGORIES = {
        "groceries", "restaurants", "fuel", "transport", "travel", "lodging", "entertainment", "electronics", "clothing",
        "household", "health", "pharmacy", "utilities", "telecom", "education", "insurance", "charity", "digital_goods",
        "gambling", "financial", "other",
    };
    /** What isn't in the list of categories counts as this one. */
    static final int OTHER = CATEGORIES.length - 1;

    /** ISO 4217 codes that have a minor unit. */
    static final String[] CURRENCIES = ("AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BOV BRL BSD "
            + "BTN BWP BYN BZD CAD CDF CHE CHF CHW CLF CLP CNY COP COU CRC CUC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR "
            + "FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HRK HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR "
            + "KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN "
            + "NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE "
            + "SLL SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD USN UYI UYU UYW UZS VED VES "
            + "VND VUV WST XAD XAF XCD XCG XOF XPF YER ZAR ZMW ZWG ZWL")
            .split(" ");
    /** ISO 3166-1 alpha-2 codes that are officially assigned. */
    static final String[] COUNTRIES = ("AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN "
            + "BO BQ BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE "
            + "EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU "
            + "ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY "
            + "MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM "
            + "PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS "
            + "ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS "
            + "YE YT ZA ZM ZW")
            .split(" ");

    private static final Codes TYPE_CODES = new Codes(TYPES);
    private static final Codes CHANNEL_CODES = new Codes(CHANNELS);
    private static final Codes CATEGORY_CODES = new Codes(CATEGORIES);
    private static final short[] CURRENCY_PLACES = places(CURRENCIES, 3);
    private static final short[] COUNTRY_PLACES = places(COUNTRIES, 2);

    private Lists() {}

    static int type(char[] text, int from, int length) {
        return TYPE_CODES.place(text, from, length);
    }

    static int channel(char[] text, int from, int length) {
        return CHANNEL_CODES.place(text, from, length);
    }

    static int category(char[] text, int from, int length) {
        int place = CATEGORY_CODES.place(text, from, length);
        return place == UNKNOWN ? OTHER : place;
    }

    static int currency(char[] text, int from, int length) {
        int slot = length == 3 ? letters(text, from, length) : UNKNOWN;
        return slot == UNKNOWN ? UNKNOWN : CURRENCY_PLACES[slot];
    }

    static int country(char[] text, int from, int length) {
        int slot = length == 2 ? letters(text, from, length) : UNKNOWN;
        return slot == UNKNOWN ? UNKNOWN : COUNTRY_PLACES[slot];
    }

    /** The slot of a code of capital letters in a table that the letters index. */
    private static int letters(char[] text, int from, int length) {
        int slot = 0;
        for (int at = from; at < from + length; at++) {
            int letter = text[at] - 'A';
            if (letter < 0 || letter > 25) {
                return UNKNOWN;
            }
            slot = slot * 26 + letter;
        }
        return slot;
    }

    private static short[] places(String[] codes, int length) {
        short[] places = new short[length == 3 ? 26 * 26 * 26 : 26 * 26];
        Arrays.fill(places, (short) UNKNOWN);
        for (int place = 0; place < codes.length; place++) {
            places[letters(codes[place].toCharArray(), 0, length)] = (short) place;
        }
        return places;
    }

    /** A small open-addressed table from words to their places. */
    private static final class Codes {
        private static final int SLOTS = 128;
        private final char[][] words = new char[SLOTS][];
        private final int[] places = new int[SLOTS];

        Codes(String[] codes) {
            for (int place = 0; place < codes.length; place++) {
                char[] word = codes[place].toCharArray();
                int slot = home(word, 0, word.length);
                while (words[slot] != null) {
                    slot = (slot + 1) % SLOTS;
                }
                words[slot] = word;
                places[slot] = place;
            }
        }

        int place(char[] text, int from, int length) {
            if (length == 0) {
                return UNKNOWN;
            }
            for (int slot = home(text, from, length); words[slot] != null; slot = (slot + 1) % SLOTS) {
                char[] word = words[slot];
                if (word.length == length && Arrays.equals(word, 0, length, text, from, from + length)) {
                    return places[slot];
                }
            }
            return UNKNOWN;
        }

        /** Length, first and last letter and one in the middle tell nearly all words apart. */
        private static int home(char[] text, int from, int length) {
            int hash = length + 7 * text[from] + 31 * text[from + length - 1] + 17 * text[from + length / 2];
            return hash & (SLOTS - 1);
        }
    }
}
