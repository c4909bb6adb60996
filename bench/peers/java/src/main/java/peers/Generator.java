package peers;

import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.utils.Utils;

/** Makes transactions, in the wire format, with their headers: one life of a producer process. */
final class Generator {
    static final String INTENDED_HEADER = "tally-intended-us";

    private static final DateTimeFormatter TO_SECONDS =
            DateTimeFormatter.ofPattern("uuuu-MM-dd'T'HH:mm:ss.").withZone(ZoneOffset.UTC);
    private static final byte[] DIGITS = ascii("0123456789abcdef");
    private static final byte[][] TYPES = ascii(Lists.TYPES);
    private static final byte[][] CATEGORIES = ascii(Lists.CATEGORIES);
    private static final byte[][] CHANNELS = ascii(Lists.CHANNELS);
    private static final byte[][] CURRENCIES = ascii("EUR", "USD", "GBP", "JPY", "CHF", "SEK", "PLN", "BRL", "INR", "KWD");
    private static final byte[][] COUNTRIES =
            ascii("DE", "FR", "ES", "IT", "NL", "GB", "US", "JP", "CH", "SE", "PL", "BR", "IN", "KW");
    private static final byte[][] MERCHANTS = merchants();

    private static final byte[] ID = ascii("{\"id\":\"");
    private static final byte[] ACCOUNT = ascii("\",\"account\":\"");
    private static final byte[] ACCOUNT_PREFIX = ascii("ACC-");
    private static final byte[] TYPE = ascii("\",\"type\":\"");
    private static final byte[] AMOUNT = ascii("\",\"amount_minor\":");
    private static final byte[] CURRENCY = ascii(",\"currency\":\"");
    private static final byte[] MERCHANT = ascii("\",\"merchant_name\":\"");
    private static final byte[] CATEGORY = ascii("\",\"merchant_category\":\"");
    private static final byte[] COUNTRY = ascii("\",\"country\":\"");
    private static final byte[] CHANNEL = ascii("\",\"channel\":\"");
    private static final byte[] OCCURRED_AT = ascii("\",\"occurred_at\":\"");
    private static final byte[] END = ascii("Z\",\"schema_version\":1}");

    private final String topic;
    private final int accounts;
    private final SplittableRandom random = new SplittableRandom();
    private final byte[] incarnation = ascii(String.format("%016x:", random.nextLong()));
    private final long[] sequences;
    /** What is being written; copied out when it is done. */
    private final byte[] line = new byte[512];
    private int length;
    /** occurred_at up to its fraction, kept while the second stays the same. */
    private long second = Long.MIN_VALUE;
    private byte[] secondText;

    Generator(String topic, int accounts, int partitions) {
        this.topic = topic;
        this.accounts = accounts;
        sequences = new long[partitions];
    }

    /** A new transaction that occurs at a time, microseconds since 1970, and is meant to be sent then. */
    ProducerRecord<byte[], byte[]> next(long atUs) {
        length = 0;
        put(ID);
        putId();
        put(ACCOUNT);
        int keyFrom = length;
        put(ACCOUNT_PREFIX);
        putDigits(random.nextInt(accounts), 8);
        byte[] key = Arrays.copyOfRange(line, keyFrom, length);
        put(TYPE);
        putOne(TYPES);
        put(AMOUNT);
        putDecimal(1 + random.nextLong(1_000L << random.nextInt(12))); // Small amounts are far more frequent than large ones.
        put(CURRENCY);
        putOne(CURRENCIES);
        put(MERCHANT);
        putOne(MERCHANTS);
        put(CATEGORY);
        putOne(CATEGORIES);
        put(COUNTRY);
        putOne(COUNTRIES);
        put(CHANNEL);
        putOne(CHANNELS);
        put(OCCURRED_AT);
        putTime(atUs / 1_000);
        put(END);
        byte[] value = Arrays.copyOf(line, length);

        int partition = Utils.toPositive(Utils.murmur2(key)) % sequences.length;
        length = 0;
        put(incarnation);
        putDecimal(++sequences[partition]);
        Header sequence = new RecordHeader(Sequences.HEADER, Arrays.copyOf(line, length));
        length = 0;
        putDecimal(atUs);
        Header intended = new RecordHeader(INTENDED_HEADER, Arrays.copyOf(line, length));
        return new ProducerRecord<>(topic, partition, atUs / 1_000, key, value, List.of(sequence, intended));
    }

    private void put(byte[] text) {
        System.arraycopy(text, 0, line, length, text.length);
        length += text.length;
    }

    private void putOne(byte[][] texts) {
        put(texts[random.nextInt(texts.length)]);
    }

    /** A random UUID (version 4). */
    private void putId() {
        putHex(random.nextLong() & ~0xf000L | 0x4000L, true);
        line[length++] = '-';
        putHex(random.nextLong() >>> 2 | 1L << 63, false);
    }

    private void putHex(long half, boolean isFirst) {
        for (int place = 0; place < 16; place++) {
            if (isFirst ? place == 8 || place == 12 : place == 4) {
                line[length++] = '-';
            }
            line[length++] = DIGITS[(int) (half >>> (60 - 4 * place)) & 0xf];
        }
    }

    /** A number with leading zeros. */
    private void putDigits(long number, int width) {
        long rest = number;
        for (int at = length + width - 1; at >= length; at--) {
            line[at] = DIGITS[(int) (rest % 10)];
            rest /= 10;
        }
        length += width;
    }

    private void putDecimal(long number) {
        int width = 1;
        for (long rest = number; rest >= 10; rest /= 10) {
            width++;
        }
        putDigits(number, width);
    }

    private void putTime(long ms) {
        if (ms / 1_000 != second) {
            second = ms / 1_000;
            secondText = ascii(TO_SECONDS.format(Instant.ofEpochSecond(second)));
        }
        put(secondText);
        putDigits(ms % 1_000, 3);
    }

    private static byte[][] merchants() {
        List<String> names = new ArrayList<>();
        for (String place : List.of("Harbour", "Old Town", "Northgate", "Riverside", "Station", "Hillcrest", "Market Square")) {
            for (String trade : List.of("Coffee", "Books", "Bakery", "Outfitters", "Garage", "Pharmacy", "Electronics", "Garden")) {
                for (String form : List.of("Ltd", "GmbH", "and Sons", "Partners LLC", "SARL")) {
                    names.add(place + " " + trade + " " + form);
                }
            }
        }
        return ascii(names.toArray(String[]::new));
    }

    private static byte[] ascii(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[][] ascii(String... texts) {
        return Arrays.stream(texts).map(Generator::ascii).toArray(byte[][]::new);
    }
}
