package peers;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;

/** Counts and sums by each of the five groupings: a cell for each value of a list and each currency, in one row of cells. */
final class Totals {
    private static final int CURRENCIES = Lists.CURRENCIES.length;
    /** Where each grouping begins, counted in values. The last one is by currency alone. */
    private static final int TYPES_FROM = 0;
    private static final int CATEGORIES_FROM = TYPES_FROM + Lists.TYPES.length;
    private static final int COUNTRIES_FROM = CATEGORIES_FROM + Lists.CATEGORIES.length;
    private static final int CHANNELS_FROM = COUNTRIES_FROM + Lists.COUNTRIES.length;
    private static final int CURRENCIES_FROM = CHANNELS_FROM + Lists.CHANNELS.length;

    final Amounts amounts = new Amounts((CURRENCIES_FROM + 1) * CURRENCIES);
    /** Smallest and largest amount by currency. */
    final long[] min = new long[CURRENCIES];
    final long[] max = new long[CURRENCIES];

    Totals() {
        java.util.Arrays.fill(min, Long.MAX_VALUE);
        java.util.Arrays.fill(max, Long.MIN_VALUE);
    }

    void add(Transaction tx) {
        int currency = tx.currency;
        long amount = tx.amountMinor;
        amounts.add((TYPES_FROM + tx.type) * CURRENCIES + currency, amount);
        amounts.add((CATEGORIES_FROM + tx.category) * CURRENCIES + currency, amount);
        amounts.add((COUNTRIES_FROM + tx.country) * CURRENCIES + currency, amount);
        amounts.add((CHANNELS_FROM + tx.channel) * CURRENCIES + currency, amount);
        amounts.add(CURRENCIES_FROM * CURRENCIES + currency, amount);
        min[currency] = Math.min(min[currency], amount);
        max[currency] = Math.max(max[currency], amount);
    }

    void join(Totals other) {
        amounts.join(other.amounts);
        for (int currency = 0; currency < CURRENCIES; currency++) {
            min[currency] = Math.min(min[currency], other.min[currency]);
            max[currency] = Math.max(max[currency], other.max[currency]);
        }
    }

    /** In the shape of the contract. */
    void write(JsonGenerator to) throws IOException {
        to.writeObjectFieldStart("totals");
        to.writeObjectFieldStart("currency");
        writeCells(CURRENCIES_FROM, true, to);
        to.writeEndObject();
        writeGrouping("type", TYPES_FROM, Lists.TYPES, to);
        writeGrouping("category", CATEGORIES_FROM, Lists.CATEGORIES, to);
        writeGrouping("country", COUNTRIES_FROM, Lists.COUNTRIES, to);
        writeGrouping("channel", CHANNELS_FROM, Lists.CHANNELS, to);
        to.writeEndObject();
    }

    private void writeGrouping(String name, int from, String[] values, JsonGenerator to) throws IOException {
        to.writeObjectFieldStart(name);
        for (int value = 0; value < values.length; value++) {
            if (hasAny(from + value)) {
                to.writeObjectFieldStart(values[value]);
                writeCells(from + value, false, to);
                to.writeEndObject();
            }
        }
        to.writeEndObject();
    }

    private boolean hasAny(int value) {
        for (int currency = 0; currency < CURRENCIES; currency++) {
            if (amounts.counts[value * CURRENCIES + currency] > 0) {
                return true;
            }
        }
        return false;
    }

    private void writeCells(int value, boolean withExtremes, JsonGenerator to) throws IOException {
        for (int currency = 0; currency < CURRENCIES; currency++) {
            int cell = value * CURRENCIES + currency;
            if (amounts.counts[cell] == 0) {
                continue;
            }
            to.writeObjectFieldStart(Lists.CURRENCIES[currency]);
            to.writeNumberField("count", amounts.counts[cell]);
            to.writeStringField("sum_minor", amounts.sum(cell));
            if (withExtremes) {
                to.writeNumberField("min_minor", min[currency]);
                to.writeNumberField("max_minor", max[currency]);
            }
            to.writeEndObject();
        }
    }
}
