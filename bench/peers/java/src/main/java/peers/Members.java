package peers;

import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import com.fasterxml.jackson.core.io.SerializedString;
import java.io.IOException;
import java.util.Arrays;
import java.util.stream.Stream;

/** The known members of one value: which were there, and which of them are wrong. */
final class Members {
    /** Behind the last member. */
    static final int NONE = -1;

    /** Known members, in the order in which their values are checked; that order is the reasons' order, too. */
    private static final int ID = 0;
    private static final int ACCOUNT = 1;
    private static final int TYPE = 2;
    private static final int CURRENCY = 3;
    private static final int AMOUNT = 4;
    private static final int MERCHANT = 5;
    private static final int COUNTRY = 6;
    private static final int CHANNEL = 7;
    private static final int OCCURRED_AT = 8;
    private static final int CATEGORY = 9;
    private static final int VERSION = 10;
    private static final int UNKNOWN = 11;
    private static final int ALL = (1 << UNKNOWN) - 1;

    private static final Reason[] REASONS = {
        Reason.INVALID_ID, Reason.INVALID_ACCOUNT, Reason.UNKNOWN_TYPE, Reason.UNKNOWN_CURRENCY, Reason.INVALID_AMOUNT,
        Reason.INVALID_MERCHANT, Reason.INVALID_COUNTRY, Reason.INVALID_CHANNEL, Reason.INVALID_TIME,
    };

    /** The order in which producers write them: to compare the next name with the expected one is quicker than to read it. */
    private static final int[] USUAL_ORDER = {
        ID, ACCOUNT, TYPE, AMOUNT, CURRENCY, MERCHANT, CATEGORY, COUNTRY, CHANNEL, OCCURRED_AT, VERSION,
    };
    private static final SerializedString[] USUAL_NAMES = Stream.of(
                    "id", "account", "type", "amount_minor", "currency", "merchant_name", "merchant_category", "country",
                    "channel", "occurred_at", "schema_version")
            .map(SerializedString::new)
            .toArray(SerializedString[]::new);

    private static final int ACCOUNT_CHARACTERS_MAX = 64;
    private static final int MERCHANT_BYTES_MAX = 256;
    private static final long AMOUNT_MAX = 1_000_000_000_000L;
    private static final byte[] HEX = new byte['f' + 1];

    static {
        Arrays.fill(HEX, (byte) -1);
        for (int digit = 0; digit < 16; digit++) {
            HEX[Character.toUpperCase(Character.forDigit(digit, 16))] = (byte) digit;
            HEX[Character.forDigit(digit, 16)] = (byte) digit;
        }
    }

    private Transaction into;
    private int expected;
    private int seen;
    private int wrong;
    private boolean isUnfit;
    private boolean isVersionUnfit;
    private long version;

    void begin(Transaction transaction) {
        into = transaction;
        expected = 0;
        seen = 0;
        wrong = 0;
        isUnfit = false;
        isVersionUnfit = false;
    }

    /** Goes to the next member's name, and says which it is. */
    int next(JsonParser parser) throws IOException {
        if (expected < USUAL_ORDER.length && parser.nextFieldName(USUAL_NAMES[expected])) {
            return USUAL_ORDER[expected++];
        }
        String name = expected < USUAL_ORDER.length ? parser.currentName() : parser.nextFieldName();
        if (parser.currentToken() != JsonToken.FIELD_NAME) {
            return NONE;
        }
        for (int place = 0; place < USUAL_ORDER.length; place++) {
            if (USUAL_NAMES[place].getValue().equals(name)) {
                expected = place + 1;
                return USUAL_ORDER[place];
            }
        }
        return UNKNOWN;
    }

    /** Takes the member whose value the parser is at. */
    void take(int member, JsonToken token, JsonParser parser) throws IOException {
        if (member == UNKNOWN) {
            return;
        }
        boolean isTwice = (seen & 1 << member) != 0;
        seen |= 1 << member;
        if (member == VERSION) {
            isVersionUnfit |= isTwice || !isInteger(token, parser);
            version = isVersionUnfit ? 0 : parser.getLongValue();
        } else if (member == AMOUNT) {
            isUnfit |= isTwice || !isInteger(token, parser);
            into.amountMinor = isUnfit ? 0 : parser.getLongValue();
            check(AMOUNT, into.amountMinor >= 1 && into.amountMinor <= AMOUNT_MAX);
        } else if (isTwice || token != JsonToken.VALUE_STRING) {
            isUnfit = true;
        } else {
            takeText(member, parser.getTextCharacters(), parser.getTextOffset(), parser.getTextLength());
        }
    }

    /** An integer of 64 bits that is written as one; minus zero isn't. */
    private static boolean isInteger(JsonToken token, JsonParser parser) throws IOException {
        return token == JsonToken.VALUE_NUMBER_INT
                && parser.getNumberType() != JsonParser.NumberType.BIG_INTEGER
                && (parser.getLongValue() != 0 || parser.getTextLength() == 1);
    }

    private void takeText(int member, char[] text, int from, int length) {
        switch (member) {
            case ID -> check(ID, parseId(text, from, length));
            case ACCOUNT -> check(ACCOUNT, isAccount(text, from, length));
            case TYPE -> check(TYPE, (into.type = Lists.type(text, from, length)) >= 0);
            case CURRENCY -> check(CURRENCY, (into.currency = Lists.currency(text, from, length)) >= 0);
            case MERCHANT -> check(MERCHANT, isName(text, from, length));
            case CATEGORY -> into.category = Lists.category(text, from, length);
            case COUNTRY -> check(COUNTRY, (into.country = Lists.country(text, from, length)) >= 0);
            case CHANNEL -> check(CHANNEL, (into.channel = Lists.channel(text, from, length)) >= 0);
            default -> check(OCCURRED_AT, (into.occurredAtMs = Timestamp.parse(text, from, length)) != Timestamp.NONE);
        }
        // An ASCII member that is right has no surrogates; only the others can hide half a pair, which is no character.
        if (member == MERCHANT || member == CATEGORY || (wrong & 1 << member) != 0) {
            isUnfit |= hasLoneSurrogate(text, from, length);
        }
    }

    private void check(int member, boolean isRight) {
        if (!isRight) {
            wrong |= 1 << member;
        }
    }

    /** The first check that fails, or null. */
    Reason judge() {
        if (isVersionUnfit || (seen & 1 << VERSION) == 0) {
            return Reason.MALFORMED_JSON;
        }
        if (version != 1) {
            return Reason.UNSUPPORTED_SCHEMA_VERSION;
        }
        if (isUnfit || seen != ALL) {
            return Reason.MALFORMED_JSON;
        }
        return wrong == 0 ? null : REASONS[Integer.numberOfTrailingZeros(wrong)];
    }

    /** A UUID's 36 characters in either case. */
    private boolean parseId(char[] text, int from, int length) {
        if (length != 36 || text[from + 8] != '-' || text[from + 13] != '-' || text[from + 18] != '-' || text[from + 23] != '-') {
            return false;
        }
        long first = hex(text, from, 8);
        long second = hex(text, from + 9, 4);
        long third = hex(text, from + 14, 4);
        long fourth = hex(text, from + 19, 4);
        long fifth = hex(text, from + 24, 12);
        into.idHigh = first << 32 | second << 16 | third;
        into.idLow = fourth << 48 | fifth;
        return (first | second | third | fourth | fifth) >= 0;
    }

    /** Up to 15 hexadecimal digits; negative if one isn't. */
    private static long hex(char[] text, int from, int length) {
        long value = 0;
        int wrong = 0;
        for (int at = from; at < from + length; at++) {
            int digit = text[at] < HEX.length ? HEX[text[at]] : -1;
            wrong |= digit;
            value = value << 4 | digit & 0xf;
        }
        return wrong < 0 ? -1 : value;
    }

    private static boolean isAccount(char[] text, int from, int length) {
        for (int at = from; at < from + length; at++) {
            if (text[at] < ' ' || text[at] > '~') {
                return false;
            }
        }
        return length >= 1 && length <= ACCOUNT_CHARACTERS_MAX;
    }

    /** A merchant's name: neither empty nor too long in UTF-8, no control characters. */
    private static boolean isName(char[] text, int from, int length) {
        int bytes = length;
        for (int at = from; at < from + length; at++) {
            char character = text[at];
            if (character < ' ' || (character >= 0x7f && character <= 0x9f)) {
                return false;
            }
            if (character >= 0x80) {
                // A character of a pair takes two of its four bytes.
                bytes += character >= 0x800 && !Character.isSurrogate(character) ? 2 : 1;
            }
        }
        return length >= 1 && bytes <= MERCHANT_BYTES_MAX;
    }

    private static boolean hasLoneSurrogate(char[] text, int from, int length) {
        for (int at = from; at < from + length; at++) {
            if (!Character.isSurrogate(text[at])) {
                continue;
            }
            if (Character.isLowSurrogate(text[at]) || at + 1 == from + length || !Character.isLowSurrogate(text[at + 1])) {
                return true;
            }
            at++;
        }
        return false;
    }
}
