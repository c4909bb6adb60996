package peers;

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicReference;
import java.util.concurrent.locks.LockSupport;
import org.HdrHistogram.Histogram;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Latency, open loop: from when a record was meant to be sent to when it has been received, parsed and counted.
 *
 * <p>Each record is due at a time that nothing moves: a stall is charged to every record behind it.
 */
final class Latency {
    private static final int ACCOUNTS = 100_000;
    private static final long LATENCY_US_MAX = 600_000_000;
    /** How long to wait for the last records, after the last was due. */
    private static final long STRAGGLERS_US = 30_000_000;

    private final String topic;
    private final long total;
    private final long startUs;
    private final long measuredFromUs;
    private final long rate;
    private final Histogram histogram = new Histogram(LATENCY_US_MAX, 3);

    private Latency(Arguments arguments) {
        topic = arguments.text("topic");
        rate = arguments.number("rate");
        long warmUpSeconds = arguments.number("warmup-seconds");
        total = rate * (warmUpSeconds + arguments.number("seconds"));
        startUs = PlainProducer.nowUs() + 3_000_000; // Connected and fetching before the first record is due.
        measuredFromUs = startUs + warmUpSeconds * 1_000_000;
    }

    static void measure(Arguments arguments) throws Exception {
        Latency latency = new Latency(arguments);
        ExecutorService receiver = Executors.newSingleThreadExecutor();
        try (KafkaProducer<byte[], byte[]> producer = producer(arguments);
                KafkaConsumer<byte[], byte[]> consumer = consumer(arguments)) {
            int partitions = producer.partitionsFor(latency.topic).size();
            List<TopicPartition> all = new ArrayList<>();
            for (int partition = 0; partition < partitions; partition++) {
                all.add(new TopicPartition(latency.topic, partition));
            }
            consumer.assign(all);
            consumer.endOffsets(all).forEach(consumer::seek);
            Future<?> received = receiver.submit(() -> latency.receive(consumer));
            latency.send(producer, new Generator(latency.topic, ACCOUNTS, partitions));
            received.get();
        }
        Histogram found = latency.histogram;
        Report.print(to -> {
            to.writeNumberField("rate", latency.rate);
            to.writeNumberField("records", found.getTotalCount());
            to.writeNumberField("p50_us", found.getValueAtPercentile(50));
            to.writeNumberField("p99_us", found.getValueAtPercentile(99));
            to.writeNumberField("p999_us", found.getValueAtPercentile(99.9));
            to.writeNumberField("max_us", found.getMaxValue());
        });
    }

    private static KafkaProducer<byte[], byte[]> producer(Arguments arguments) {
        Properties settings = PlainProducer.settings(arguments);
        settings.put(ProducerConfig.LINGER_MS_CONFIG, 0);
        settings.put(ProducerConfig.BATCH_SIZE_CONFIG, 64 << 10);
        settings.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 256L << 20); // Sending must never wait for room.
        return new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    }

    private static KafkaConsumer<byte[], byte[]> consumer(Arguments arguments) {
        Properties settings = new Properties();
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.text("bootstrap"));
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        settings.put(ConsumerConfig.FETCH_MIN_BYTES_CONFIG, 1);
        return new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Sends each record when it is due. */
    private void send(KafkaProducer<byte[], byte[]> producer, Generator generator) throws Exception {
        AtomicReference<Exception> failure = new AtomicReference<>();
        for (long record = 0; record < total; record++) {
            long dueUs = startUs + record * 1_000_000 / rate;
            for (long waitUs = dueUs - PlainProducer.nowUs(); waitUs > 0; waitUs = dueUs - PlainProducer.nowUs()) {
                LockSupport.parkNanos(waitUs * 1_000);
            }
            producer.send(generator.next(dueUs), (metadata, failed) -> failure.compareAndSet(null, failed));
        }
        producer.flush();
        if (failure.get() != null) {
            throw failure.get();
        }
    }

    /** Counts records and takes note of how late they are, until all have come. */
    private Void receive(KafkaConsumer<byte[], byte[]> consumer) {
        Map<Integer, Partition> partitions = new HashMap<>();
        long giveUpUs = startUs + total * 1_000_000 / rate + STRAGGLERS_US;
        long missing = total;
        while (missing > 0) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                partitions.computeIfAbsent(record.partition(), index -> new Partition(record.offset()))
                        .take(record.offset(), record.timestamp(), record.headers(), record.value());
                Header header = record.headers().lastHeader(Generator.INTENDED_HEADER);
                long intendedUs = Long.parseLong(new String(header.value(), StandardCharsets.US_ASCII));
                if (intendedUs >= measuredFromUs) {
                    histogram.recordValue(Math.max(1, PlainProducer.nowUs() - intendedUs));
                }
                missing--;
            }
            if (PlainProducer.nowUs() > giveUpUs) {
                throw new IllegalStateException(missing + " records have not come");
            }
        }
        return null;
    }
}
