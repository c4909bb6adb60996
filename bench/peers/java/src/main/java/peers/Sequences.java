package peers;

import java.util.HashMap;
import java.util.Map;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/** The header tally-seq, and what each producer process has sent to one partition so far. */
final class Sequences {
    static final String HEADER = "tally-seq";

    /** What a record's header says about it. */
    enum Arrival { WITHOUT, NEXT, REDELIVERED, MALFORMED, TOO_FAR }

    private static final long JUMP_MAX = 10_000_000;
    private static final int INCARNATION_DIGITS = 16;

    /** The last number of each incarnation; a number is unsigned, in an array so that it can be changed in place. */
    final Map<Long, long[]> last = new HashMap<>();
    /** Whether the partition is known from its first record, so that a first number must be 1. */
    boolean countsFirst;
    long missing;

    /** The last record's incarnation is most often the next one's too. */
    private long recent;
    private long[] recentLast;

    private long incarnation;
    private long number;

    Sequences(boolean countsFirst) {
        this.countsFirst = countsFirst;
    }

    /** Reads a record's header; of several the last counts. {@link #follow} then says the rest. */
    Arrival read(Headers headers) {
        Header header = headers.lastHeader(HEADER);
        if (header == null) {
            return Arrival.WITHOUT;
        }
        return header.value() != null && parse(header.value()) ? Arrival.NEXT : Arrival.MALFORMED;
    }

    /** Takes note of the header that was read. */
    Arrival follow() {
        long[] known = recentLast != null && recent == incarnation ? recentLast : last.get(incarnation);
        if (known == null) {
            long skipped = countsFirst ? number - 1 : 0;
            if (Long.compareUnsigned(skipped, JUMP_MAX) > 0) {
                return Arrival.TOO_FAR;
            }
            missing += skipped;
            known = new long[] {number};
            last.put(incarnation, known);
            remember(known);
            return Arrival.NEXT;
        }
        remember(known);
        if (Long.compareUnsigned(number, known[0]) <= 0) {
            return Arrival.REDELIVERED;
        }
        long jump = number - known[0] - 1;
        if (Long.compareUnsigned(jump, JUMP_MAX) > 0) {
            return Arrival.TOO_FAR;
        }
        known[0] = number;
        missing += jump;
        return Arrival.NEXT;
    }

    private void remember(long[] known) {
        recent = incarnation;
        recentLast = known;
    }

    /** 16 lower-case hexadecimal digits, a colon, a decimal from 1 without leading zeros. */
    private boolean parse(byte[] text) {
        if (text.length < INCARNATION_DIGITS + 2 || text[INCARNATION_DIGITS] != ':' || text[INCARNATION_DIGITS + 1] == '0') {
            return false;
        }
        incarnation = 0;
        for (int at = 0; at < INCARNATION_DIGITS; at++) {
            int digit = text[at] >= 'a' && text[at] <= 'f' ? text[at] - 'a' + 10 : decimal(text[at]);
            if (digit < 0) {
                return false;
            }
            incarnation = incarnation << 4 | digit;
        }
        number = 0;
        for (int at = INCARNATION_DIGITS + 1; at < text.length; at++) {
            int digit = decimal(text[at]);
            // Beyond 64 bits once ten times the number, or the digit added to it, is.
            if (digit < 0 || Long.compareUnsigned(number, Long.divideUnsigned(-1, 10)) > 0) {
                return false;
            }
            long next = number * 10 + digit;
            if (Long.compareUnsigned(next, digit) < 0) {
                return false;
            }
            number = next;
        }
        return true;
    }

    private static int decimal(byte character) {
        return character >= '0' && character <= '9' ? character - '0' : -1;
    }
}
