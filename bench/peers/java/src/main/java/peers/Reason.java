package peers;

import java.util.Locale;

/** Why a record was rejected, in the order of the checks. */
enum Reason {
    INVALID_HEADER,
    EMPTY,
    TOO_LARGE,
    MALFORMED_JSON,
    UNSUPPORTED_SCHEMA_VERSION,
    INVALID_ID,
    INVALID_ACCOUNT,
    UNKNOWN_TYPE,
    UNKNOWN_CURRENCY,
    INVALID_AMOUNT,
    INVALID_MERCHANT,
    INVALID_COUNTRY,
    INVALID_CHANNEL,
    INVALID_TIME,
    FUTURE_DATED;

    static final Reason[] ALL = values();

    /** The code of the contract. */
    String code() {
        return name().toLowerCase(Locale.ROOT);
    }
}
