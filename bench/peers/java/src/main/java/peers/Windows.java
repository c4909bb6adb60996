package peers;

import java.util.HashMap;
import java.util.Map;

/** Tumbling windows of a minute by event time, and the watermark that closes them. */
final class Windows {
    /** How a transaction stands to its window. */
    enum Timeliness { ON_TIME, REVISED, TOO_LATE }

    private static final long WINDOW_MS = 60_000;
    private static final long OUT_OF_ORDER_MS = 5_000;
    private static final long LATENESS_MS = 15 * 60_000;

    /** Count and sum by currency of each window that still takes transactions, by its start. */
    final Map<Long, Amounts> open = new HashMap<>();
    long watermarkMs = Long.MIN_VALUE;
    /** The watermark at which the oldest open window takes nothing more. */
    private long nextFinalMs = Long.MAX_VALUE;
    /** The last transaction's window is most often the next one's too. */
    private long recentStartMs;
    private Amounts recent;

    /** Puts a transaction into its window, judged by the watermark of the transactions before it. */
    Timeliness add(Transaction tx) {
        long startMs = Math.floorDiv(tx.occurredAtMs, WINDOW_MS) * WINDOW_MS;
        Timeliness timeliness = Timeliness.TOO_LATE;
        if (startMs + WINDOW_MS + LATENESS_MS > watermarkMs) {
            timeliness = startMs + WINDOW_MS > watermarkMs ? Timeliness.ON_TIME : Timeliness.REVISED;
            at(startMs).add(tx.currency, tx.amountMinor);
        }
        advance(Math.min(tx.occurredAtMs, tx.recordTimestampMs) - OUT_OF_ORDER_MS);
        return timeliness;
    }

    /** The open window with that start, made where there is none. */
    Amounts at(long startMs) {
        if (recent == null || recentStartMs != startMs) {
            recentStartMs = startMs;
            recent = open.computeIfAbsent(startMs, start -> new Amounts(Lists.CURRENCIES.length));
            nextFinalMs = Math.min(nextFinalMs, startMs + WINDOW_MS + LATENESS_MS);
        }
        return recent;
    }

    /** Moves the watermark and drops the windows that it has passed for good. */
    private void advance(long toMs) {
        watermarkMs = Math.max(watermarkMs, toMs);
        if (watermarkMs < nextFinalMs) {
            return;
        }
        recent = null;
        open.keySet().removeIf(startMs -> startMs + WINDOW_MS + LATENESS_MS <= watermarkMs);
        nextFinalMs = open.keySet().stream().mapToLong(startMs -> startMs + WINDOW_MS + LATENESS_MS).min().orElse(Long.MAX_VALUE);
    }
}
