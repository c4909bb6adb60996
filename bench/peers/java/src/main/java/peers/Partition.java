package peers;

import org.apache.kafka.common.header.Headers;

/** One partition, counted record after record in order of offset: the same work, with the same numbers, as the pipeline's. */
final class Partition {
    final Ledger ledger = new Ledger();
    final Totals totals = new Totals();
    final Windows windows = new Windows();
    final IdWindow ids = new IdWindow();
    final Sequences sequences;
    private final Value value = new Value();
    private final Transaction tx = new Transaction();

    Partition(long firstOffset) {
        sequences = new Sequences(firstOffset == 0);
    }

    /** Counts the next record. */
    void take(long offset, long timestampMs, Headers headers, byte[] bytes) {
        ledger.consumed++;
        Sequences.Arrival arrival = sequences.read(headers);
        if (arrival == Sequences.Arrival.MALFORMED) {
            ledger.reject(Reason.INVALID_HEADER);
            return;
        }
        Reason wrong = value.read(bytes, timestampMs, tx);
        // Whatever becomes of a valid record, its id has been seen.
        boolean isRepeated = wrong == null && ids.insert(tx.idHigh, tx.idLow, offset, timestampMs);
        if (arrival == Sequences.Arrival.NEXT) {
            arrival = sequences.follow();
        }
        if (arrival == Sequences.Arrival.TOO_FAR) {
            ledger.reject(Reason.INVALID_HEADER);
        } else if (arrival == Sequences.Arrival.REDELIVERED) {
            ledger.redelivered++;
        } else if (wrong != null) {
            ledger.reject(wrong);
        } else if (isRepeated) {
            ledger.repeated++;
        } else {
            ledger.accepted++;
            totals.add(tx);
            ledger.timely[windows.add(tx).ordinal()]++;
        }
    }
}
