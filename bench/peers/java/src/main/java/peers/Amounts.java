package peers;

import java.math.BigInteger;

/** Counts and exact sums, as many cells as one likes, in plain arrays. A sum has 128 bits. */
final class Amounts {
    final long[] counts;
    final long[] sumsLow;
    final long[] sumsHigh;

    Amounts(int cells) {
        counts = new long[cells];
        sumsLow = new long[cells];
        sumsHigh = new long[cells];
    }

    void add(int cell, long amount) {
        counts[cell]++;
        long sum = sumsLow[cell] + amount;
        sumsLow[cell] = sum;
        if (Long.compareUnsigned(sum, amount) < 0) {
            sumsHigh[cell]++;
        }
    }

    void set(int cell, long count, long sumLow, long sumHigh) {
        counts[cell] = count;
        sumsLow[cell] = sumLow;
        sumsHigh[cell] = sumHigh;
    }

    void join(Amounts other) {
        for (int cell = 0; cell < counts.length; cell++) {
            counts[cell] += other.counts[cell];
            sumsLow[cell] += other.sumsLow[cell];
            sumsHigh[cell] += other.sumsHigh[cell];
            if (Long.compareUnsigned(sumsLow[cell], other.sumsLow[cell]) < 0) {
                sumsHigh[cell]++;
            }
        }
    }

    String sum(int cell) {
        BigInteger low = new BigInteger(Long.toUnsignedString(sumsLow[cell]));
        return BigInteger.valueOf(sumsHigh[cell]).shiftLeft(64).add(low).toString();
    }
}
