package peers;

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * The plain consumer: members of one group, each with a thread and a share of the partitions.
 *
 * <p>Offsets of finished records are committed every second, when a partition is given up and at the end. State lives in
 * memory: what is committed is counted, but a crash loses the counts.
 */
final class PlainConsumer implements ConsumerRebalanceListener {
    private static final int THREADS = 2;
    private static final long COMMIT_EVERY_NS = 1_000_000_000;

    /** Partitions may move from one thread to the other; their state stays. */
    private static final Map<Integer, Partition> PARTITIONS = new ConcurrentHashMap<>();
    private static final AtomicLong COUNTED = new AtomicLong();
    /** When the first record was in hand, nanoseconds. */
    private static final AtomicLong STARTED_AT = new AtomicLong();
    /** When the last commit was done; leaving the group comes after it. */
    private static final AtomicLong FINISHED_AT = new AtomicLong(Long.MIN_VALUE);

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final String topic;
    private final long goal;

    private PlainConsumer(Arguments arguments) {
        topic = arguments.text("topic");
        goal = arguments.number("records");
        consumer = new KafkaConsumer<>(settings(arguments), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static void consume(Arguments arguments) throws Exception {
        ExecutorService threads = Executors.newFixedThreadPool(THREADS);
        List<Future<?>> running = new ArrayList<>();
        for (int thread = 0; thread < THREADS; thread++) {
            PlainConsumer member = new PlainConsumer(arguments);
            running.add(threads.submit(member::work));
        }
        for (Future<?> member : running) {
            member.get();
        }
        Report.printCounted(PARTITIONS.values(), (FINISHED_AT.get() - STARTED_AT.get()) / 1e9);
    }

    private static Properties settings(Arguments arguments) {
        Properties settings = new Properties();
        settings.put(ConsumerConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.text("bootstrap"));
        settings.put(ConsumerConfig.GROUP_ID_CONFIG, arguments.text("group"));
        settings.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        settings.put(ConsumerConfig.ENABLE_AUTO_COMMIT_CONFIG, false);
        // The default of 500 records a poll costs more in polling than in work.
        settings.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 10_000);
        settings.put(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG, 1 << 20);
        settings.put(ConsumerConfig.RECEIVE_BUFFER_CONFIG, 1 << 20);
        return settings;
    }

    private void work() {
        try (consumer) {
            consumer.subscribe(List.of(topic), this);
            long committedAt = System.nanoTime();
            while (COUNTED.get() < goal) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
                long now = System.nanoTime();
                if (!records.isEmpty()) {
                    STARTED_AT.compareAndSet(0, now);
                    count(records);
                }
                if (now - committedAt >= COMMIT_EVERY_NS) {
                    consumer.commitAsync();
                    committedAt = now;
                }
            }
            consumer.commitSync();
            FINISHED_AT.accumulateAndGet(System.nanoTime(), Math::max);
        }
    }

    private void count(ConsumerRecords<byte[], byte[]> records) {
        for (TopicPartition assigned : records.partitions()) {
            Partition partition = PARTITIONS.get(assigned.partition());
            for (ConsumerRecord<byte[], byte[]> record : records.records(assigned)) {
                partition.take(record.offset(), record.timestamp(), record.headers(), record.value());
            }
        }
        COUNTED.addAndGet(records.count());
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> revoked) {
        consumer.commitSync(); // The next one to have them goes on behind the last record counted.
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> assigned) {
        consumer.beginningOffsets(assigned).forEach((partition, firstOffset) ->
                PARTITIONS.computeIfAbsent(partition.partition(), index -> new Partition(firstOffset)));
    }
}
