package peers;

/** What the totals need of a valid record; one object is filled again for every record. */
final class Transaction {
    long idHigh;
    long idLow;
    int type;
    int currency;
    int category;
    int country;
    int channel;
    long amountMinor;
    long occurredAtMs;
    long recordTimestampMs;
}
