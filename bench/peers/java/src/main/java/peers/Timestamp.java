package peers;

/**
 * RFC 3339 timestamps as milliseconds since 1970, UTC: any offset, any number of fractional digits (cut to milliseconds),
 * leap seconds (the first of the next minute), T and Z in either case.
 *
 * <p>Not by java.time, which makes several objects for each and is stricter on leap seconds.
 */
final class Timestamp {
    /** What no timestamp is. */
    static final long NONE = Long.MIN_VALUE;

    private static final long MINUTE_MS = 60_000;
    private static final long DAY_MS = 86_400_000;
    /** The years 0 to 9999. */
    private static final long MIN_MS = -62_167_219_200_000L;
    private static final long MAX_MS = 253_402_300_799_999L;

    private Timestamp() {}

    static long parse(char[] text, int from, int length) {
        if (length < "2026-11-20T19:12:01Z".length() || text[from + 4] != '-' || text[from + 7] != '-'
                || (text[from + 10] != 'T' && text[from + 10] != 't') || text[from + 13] != ':' || text[from + 16] != ':') {
            return NONE;
        }
        int year = number(text, from, 4);
        int month = number(text, from + 5, 2);
        int day = number(text, from + 8, 2);
        int hour = number(text, from + 11, 2);
        int minute = number(text, from + 14, 2);
        int second = number(text, from + 17, 2);
        if (year < 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)
                || hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
            return NONE;
        }
        long ms = daysFromCivil(year, month, day) * DAY_MS + ((hour * 60 + minute) * 60 + second) * 1_000L;
        int end = from + length;
        int at = from + 19;
        if (text[at] == '.') {
            int firstDigit = ++at;
            for (int unit = 100; at < end && isDigit(text[at]); unit /= 10) {
                ms += (text[at++] - '0') * unit;
            }
            if (at == firstDigit) {
                return NONE;
            }
        }
        long offset = offsetMinutes(text, at, end - at);
        ms -= offset * MINUTE_MS;
        return offset == NONE || ms < MIN_MS || ms > MAX_MS ? NONE : ms;
    }

    /** Reads Z or ±hh:mm. */
    private static long offsetMinutes(char[] text, int from, int length) {
        if (length == 1) {
            return text[from] == 'Z' || text[from] == 'z' ? 0 : NONE;
        }
        if (length != "+01:00".length() || text[from + 3] != ':') {
            return NONE;
        }
        int hour = number(text, from + 1, 2);
        int minute = number(text, from + 4, 2);
        if (hour < 0 || hour > 23 || minute < 0 || minute > 59) {
            return NONE;
        }
        return switch (text[from]) {
            case '+' -> hour * 60 + minute;
            case '-' -> -(hour * 60 + minute);
            default -> NONE;
        };
    }

    private static boolean isDigit(char character) {
        return character >= '0' && character <= '9';
    }

    /** Decimal digits; negative if one isn't. */
    private static int number(char[] text, int from, int length) {
        int value = 0;
        for (int at = from; at < from + length; at++) {
            if (!isDigit(text[at])) {
                return -1;
            }
            value = value * 10 + (text[at] - '0');
        }
        return value;
    }

    private static int daysInMonth(int year, int month) {
        return switch (month) {
            case 2 -> year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28;
            case 4, 6, 9, 11 -> 30;
            default -> 31;
        };
    }

    /** Days from 1970-01-01 to a date, with a year that begins in March so that its last day is the leap day. */
    private static long daysFromCivil(int year, int month, int day) {
        int y = month <= 2 ? year - 1 : year;
        int m = month <= 2 ? month + 9 : month - 3;
        long leapDays = Math.floorDiv(y, 4) - Math.floorDiv(y, 100) + Math.floorDiv(y, 400);
        return y * 365L + leapDays + (153 * m + 2) / 5 + day - 1 - 719_468;
    }
}
