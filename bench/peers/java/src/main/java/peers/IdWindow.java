package peers;

/**
 * The ids at the last offsets of a partition: tells a repeat from a new transaction.
 *
 * <p>A ring holds the ids in order of offset; an open-addressed table finds the newest place of an id. A slot keeps 32 bits
 * of the hash next to the place, so that looking up an id that isn't there, which is nearly all of them, touches the table
 * only. Plain arrays: nothing here for a garbage collector to walk.
 */
final class IdWindow {
    static final long OFFSETS = 100_000;
    /** A power of two with room for all offsets. */
    static final int RING = 1 << 17;

    private static final long AGE_MS = 24 * 3_600_000L;
    private static final int TABLE_BITS = 18;
    private static final int TABLE_MASK = (1 << TABLE_BITS) - 1;
    private static final long INDEX_MASK = 0xffff_ffffL;

    /** Place p is at p modulo the ring's size. */
    final long[] highs = new long[RING];
    final long[] lows = new long[RING];
    final long[] offsets = new long[RING];
    final long[] timestampsMs = new long[RING];
    /** The place of the same id before this one, or negative. */
    private final long[] earlier = new long[RING];
    /** Hash in the upper half, index in the ring + 1 in the lower; 0 is free. */
    private final long[] table = new long[TABLE_MASK + 1];
    /** Places from oldest up to next are there. */
    long oldest;
    long next;

    /** Remembers an id, and says whether it stands at one of the offsets before in a record not too much older. */
    boolean insert(long high, long low, long offset, long timestampMs) {
        while (oldest < next && offsets[index(oldest)] < offset - OFFSETS) {
            forget(oldest++);
        }
        long hash = hash(high, low);
        int slot = find(high, low, hash);
        boolean isRepeated = false;
        long before = -1;
        if (table[slot] != 0) {
            // The newest place with that index: it is one of the last ones of the ring.
            long place = next - 1 - index(next - (table[slot] & INDEX_MASK));
            before = place;
            while (place >= oldest && !isRepeated) {
                isRepeated = timestampsMs[index(place)] >= timestampMs - AGE_MS;
                place = earlier[index(place)];
            }
        }
        int index = index(next++);
        highs[index] = high;
        lows[index] = low;
        offsets[index] = offset;
        timestampsMs[index] = timestampMs;
        earlier[index] = before;
        table[slot] = hash << 32 | (index + 1);
        return isRepeated;
    }

    private static int index(long place) {
        return (int) place & (RING - 1);
    }

    /** The slot of an id, or the free one where it belongs. */
    private int find(long high, long low, long hash) {
        int slot = home(hash);
        while (table[slot] != 0) {
            if (table[slot] >>> 32 == hash) {
                int index = (int) (table[slot] & INDEX_MASK) - 1;
                if (lows[index] == low && highs[index] == high) {
                    break;
                }
            }
            slot = (slot + 1) & TABLE_MASK;
        }
        return slot;
    }

    /** Takes a place's entry out of the table, unless a newer place of the same id has it. */
    private void forget(long place) {
        int index = index(place);
        int free = find(highs[index], lows[index], hash(highs[index], lows[index]));
        if ((table[free] & INDEX_MASK) != index + 1) {
            return;
        }
        // What was pushed past the freed slot moves back into it, so that it is still found from its home.
        for (int slot = (free + 1) & TABLE_MASK; table[slot] != 0; slot = (slot + 1) & TABLE_MASK) {
            int pushed = (slot - home(table[slot] >>> 32)) & TABLE_MASK;
            if (pushed >= ((slot - free) & TABLE_MASK)) {
                table[free] = table[slot];
                free = slot;
            }
        }
        table[free] = 0;
    }

    private static long hash(long high, long low) {
        return ((low ^ high * 0x9e37_79b9_7f4a_7c15L) * 0xd6e8_feb8_6659_fd93L) >>> 32;
    }

    private static int home(long hash) {
        return (int) (hash >>> (32 - TABLE_BITS));
    }
}
