package peers;

import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.Map;
import java.util.TreeMap;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * A partition, and which of it a key-value store has: what differs is put there before each commit.
 *
 * <p>Keys are a letter and a number: L the ledger, S an incarnation's last sequence, T a cell of the totals, M smallest and
 * largest of a currency, W a window, I a block of ids. Values are 64-bit numbers in a row.
 */
final class PartitionState {
    /** Ids that go into one value. The blocks go round as the ring does. */
    private static final int BLOCK = 512;
    private static final int BLOCKS = IdWindow.RING / BLOCK;
    private static final int CURRENCIES = Lists.CURRENCIES.length;

    private final Partition partition;
    /** What the store has: counts of cells, counts of windows by start, sequences by incarnation, the place after the last id. */
    private final long[] savedCounts;
    private final Map<Long, Long> savedWindows = new HashMap<>();
    private final Map<Long, Long> savedSequences = new HashMap<>();
    private long savedIds;

    private PartitionState(long firstOffset) {
        partition = new Partition(firstOffset);
        savedCounts = new long[partition.totals.amounts.counts.length];
    }

    Partition partition() {
        return partition;
    }

    /** Puts what has changed. */
    void save(KeyValueStore<Bytes, byte[]> to) {
        saveLedger(to);
        partition.sequences.last.forEach((incarnation, last) -> {
            if (!Long.valueOf(last[0]).equals(savedSequences.put(incarnation, last[0]))) {
                to.put(key('S', incarnation), row(last[0]));
            }
        });
        Amounts amounts = partition.totals.amounts;
        for (int cell = 0; cell < savedCounts.length; cell++) {
            if (amounts.counts[cell] != savedCounts[cell]) {
                savedCounts[cell] = amounts.counts[cell];
                to.put(key('T', cell), row(amounts.counts[cell], amounts.sumsLow[cell], amounts.sumsHigh[cell]));
                if (cell >= savedCounts.length - CURRENCIES) {
                    int currency = cell - (savedCounts.length - CURRENCIES);
                    to.put(key('M', currency), row(partition.totals.min[currency], partition.totals.max[currency]));
                }
            }
        }
        saveWindows(to);
        for (; savedIds < partition.ids.next; savedIds = Math.min(partition.ids.next, (savedIds / BLOCK + 1) * BLOCK)) {
            to.put(key('I', savedIds / BLOCK % BLOCKS), idBlock(savedIds / BLOCK * BLOCK));
        }
    }

    private void saveLedger(KeyValueStore<Bytes, byte[]> to) {
        Ledger ledger = partition.ledger;
        ByteBuffer row = ByteBuffer.allocate(Long.BYTES * (7 + ledger.rejected.length + ledger.timely.length));
        row.putLong(ledger.consumed).putLong(ledger.accepted).putLong(ledger.redelivered).putLong(ledger.repeated);
        row.putLong(partition.windows.watermarkMs).putLong(partition.sequences.missing);
        row.putLong(partition.sequences.countsFirst ? 1 : 0);
        row.asLongBuffer().put(ledger.rejected).put(ledger.timely);
        to.put(key('L', 0), row.array());
    }

    private void saveWindows(KeyValueStore<Bytes, byte[]> to) {
        savedWindows.keySet().removeIf(startMs -> {
            boolean isDropped = !partition.windows.open.containsKey(startMs);
            if (isDropped) {
                to.delete(key('W', startMs));
            }
            return isDropped;
        });
        partition.windows.open.forEach((startMs, window) -> {
            long count = 0;
            int cells = 0;
            for (long each : window.counts) {
                count += each;
                cells += each > 0 ? 1 : 0;
            }
            if (Long.valueOf(count).equals(savedWindows.put(startMs, count))) {
                return;
            }
            ByteBuffer row = ByteBuffer.allocate(cells * 4 * Long.BYTES);
            for (int currency = 0; currency < CURRENCIES; currency++) {
                if (window.counts[currency] > 0) {
                    row.putLong(currency).putLong(window.counts[currency]);
                    row.putLong(window.sumsLow[currency]).putLong(window.sumsHigh[currency]);
                }
            }
            to.put(key('W', startMs), row.array());
        });
    }

    /** The ids from a place on, up to the end of its block. */
    private byte[] idBlock(long from) {
        IdWindow ids = partition.ids;
        int count = (int) Math.min(BLOCK, ids.next - from);
        ByteBuffer row = ByteBuffer.allocate((1 + 4 * count) * Long.BYTES).putLong(from);
        for (long place = from; place < from + count; place++) {
            int index = (int) (place % IdWindow.RING);
            row.putLong(ids.highs[index]).putLong(ids.lows[index]).putLong(ids.offsets[index]).putLong(ids.timestampsMs[index]);
        }
        return row.array();
    }

    /** What a store has, as it was put there. */
    static PartitionState load(KeyValueStore<Bytes, byte[]> from, long firstOffset) {
        PartitionState state = new PartitionState(firstOffset);
        TreeMap<Long, ByteBuffer> blocks = new TreeMap<>();
        try (KeyValueIterator<Bytes, byte[]> all = from.all()) {
            while (all.hasNext()) {
                KeyValue<Bytes, byte[]> each = all.next();
                ByteBuffer key = ByteBuffer.wrap(each.key.get());
                ByteBuffer row = ByteBuffer.wrap(each.value);
                char kind = (char) key.get();
                if (kind == 'I') {
                    blocks.put(row.getLong(), row);
                } else {
                    state.loadRow(kind, key.getLong(), row);
                }
            }
        }
        IdWindow ids = state.partition.ids;
        ids.oldest = ids.next = blocks.isEmpty() ? 0 : blocks.firstKey();
        for (ByteBuffer row : blocks.values()) {
            while (row.hasRemaining()) {
                ids.insert(row.getLong(), row.getLong(), row.getLong(), row.getLong());
            }
        }
        state.savedIds = ids.next;
        return state;
    }

    private void loadRow(char kind, long number, ByteBuffer row) {
        int place = (int) number;
        switch (kind) {
            case 'L' -> loadLedger(row);
            case 'S' -> {
                long last = row.getLong();
                partition.sequences.last.put(number, new long[] {last});
                savedSequences.put(number, last);
            }
            case 'T' -> {
                savedCounts[place] = row.getLong();
                partition.totals.amounts.set(place, savedCounts[place], row.getLong(), row.getLong());
            }
            case 'M' -> {
                partition.totals.min[place] = row.getLong();
                partition.totals.max[place] = row.getLong();
            }
            case 'W' -> {
                long count = 0;
                Amounts window = partition.windows.at(number);
                while (row.hasRemaining()) {
                    int currency = (int) row.getLong();
                    window.set(currency, row.getLong(), row.getLong(), row.getLong());
                    count += window.counts[currency];
                }
                savedWindows.put(number, count);
            }
            default -> throw new IllegalStateException("no such kind of key: " + kind);
        }
    }

    private void loadLedger(ByteBuffer row) {
        Ledger ledger = partition.ledger;
        ledger.consumed = row.getLong();
        ledger.accepted = row.getLong();
        ledger.redelivered = row.getLong();
        ledger.repeated = row.getLong();
        partition.windows.watermarkMs = row.getLong();
        partition.sequences.missing = row.getLong();
        partition.sequences.countsFirst = row.getLong() == 1;
        row.asLongBuffer().get(ledger.rejected).get(ledger.timely);
    }

    private static Bytes key(char kind, long number) {
        return Bytes.wrap(ByteBuffer.allocate(1 + Long.BYTES).put((byte) kind).putLong(number).array());
    }

    private static byte[] row(long... numbers) {
        ByteBuffer row = ByteBuffer.allocate(numbers.length * Long.BYTES);
        row.asLongBuffer().put(numbers);
        return row.array();
    }
}
