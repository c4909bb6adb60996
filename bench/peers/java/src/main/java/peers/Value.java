package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.StreamReadConstraints;
import java.io.IOException;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;

/**
 * From a record's value to a transaction, or to the reason why it is none.
 *
 * <p>Jackson's streaming parser, in one pass: each member is looked at where it stands, on the parser's own characters, and
 * what was found is judged at the end, in the order of the contract. One object for each thread.
 */
final class Value {
    private static final int VALUE_BYTES_MAX = 65_536;
    private static final long FUTURE_SKEW_MS = 5 * 60_000;

    /** Values are at most 64 kB, so nothing in them needs another limit. */
    private static final JsonFactory FACTORY = JsonFactory.builder()
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(VALUE_BYTES_MAX)
                    .maxNumberLength(VALUE_BYTES_MAX)
                    .maxNameLength(VALUE_BYTES_MAX)
                    .build())
            .build();

    private static final VarHandle EIGHT_BYTES =
            MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
    private static final long HIGH_BITS = 0x8080_8080_8080_8080L;

    private final Members members = new Members();

    /** Fills a transaction; null, or why it can't. */
    Reason read(byte[] value, long timestampMs, Transaction into) {
        if (value == null || value.length == 0) {
            return Reason.EMPTY;
        }
        if (value.length > VALUE_BYTES_MAX) {
            return Reason.TOO_LARGE;
        }
        Reason wrong = isText(value) ? parse(value, into) : Reason.MALFORMED_JSON;
        if (wrong != null) {
            return wrong;
        }
        if (into.occurredAtMs - FUTURE_SKEW_MS > timestampMs) {
            return Reason.FUTURE_DATED;
        }
        into.recordTimestampMs = timestampMs;
        return null;
    }

    /** Whether the bytes are UTF-8 that Jackson won't take for another encoding, which it guesses from the first bytes. */
    private static boolean isText(byte[] value) {
        long all = 0;
        int at = 0;
        for (; at <= value.length - Long.BYTES; at += Long.BYTES) {
            all |= (long) EIGHT_BYTES.get(value, at);
        }
        for (; at < value.length; at++) {
            all |= value[at];
        }
        if (value[0] < 0 || value[0] == 0 || (value.length > 1 && value[1] == 0)) {
            return false;
        }
        if ((all & HIGH_BITS) == 0) {
            return true; // ASCII.
        }
        try {
            StandardCharsets.UTF_8.newDecoder().decode(ByteBuffer.wrap(value)); // Jackson passes some malformed bytes.
            return true;
        } catch (CharacterCodingException malformed) {
            return false;
        }
    }

    /** Reads the object and nothing but white space behind it. */
    private Reason parse(byte[] value, Transaction into) {
        members.begin(into);
        try (JsonParser parser = FACTORY.createParser(value)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                return Reason.MALFORMED_JSON;
            }
            for (int member = members.next(parser); member != Members.NONE; member = members.next(parser)) {
                JsonToken token = parser.nextToken();
                members.take(member, token, parser);
                parser.skipChildren();
            }
            if (parser.currentToken() != JsonToken.END_OBJECT || parser.nextToken() != null) {
                return Reason.MALFORMED_JSON;
            }
        } catch (IOException malformed) {
            return Reason.MALFORMED_JSON;
        }
        return members.judge();
    }
}
