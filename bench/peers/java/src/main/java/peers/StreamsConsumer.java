package peers;

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AdminClientConfig;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;

/**
 * The Kafka Streams peer: exactly once, state in a store with a changelog. Whoever crashes and comes back under the same
 * group goes on with the counts where the last commit left them.
 */
final class StreamsConsumer {
    private static final int THREADS = 2;

    private final Map<Integer, Partition> partitions = new ConcurrentHashMap<>();
    private final Map<TopicPartition, Long> firstOffsets = new HashMap<>();
    private final Map<TopicPartition, Long> endOffsets = new HashMap<>();
    private final String topic;
    private final String group;
    private volatile long startedAt;

    private StreamsConsumer(Arguments arguments) {
        topic = arguments.text("topic");
        group = arguments.text("group");
    }

    static void consume(Arguments arguments) throws Exception {
        new StreamsConsumer(arguments).run(arguments);
    }

    Map<Integer, Partition> partitions() {
        return partitions;
    }

    long firstOffset(int index) {
        return firstOffsets.get(new TopicPartition(topic, index));
    }

    long endOffset(int index) {
        return endOffsets.get(new TopicPartition(topic, index));
    }

    /** Called with the first record in hand, and all others. */
    void hasBegun() {
        if (startedAt == 0) {
            startedAt = System.nanoTime();
        }
    }

    private void run(Arguments arguments) throws Exception {
        Path directory = Files.createTempDirectory("peers-streams"); // Nothing of worth: state is in the changelog.
        Map<String, Object> adminSettings = Map.of(AdminClientConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.text("bootstrap"));
        try (Admin admin = Admin.create(adminSettings)) {
            findOffsets(admin);
            long records = arguments.number("records");
            KafkaStreams streams = new KafkaStreams(topology(), settings(arguments, directory));
            streams.setUncaughtExceptionHandler(failure -> {
                failure.printStackTrace();
                Runtime.getRuntime().halt(1);
                return null;
            });
            streams.start();
            while (!isAllCommitted(admin) || counted() < records) {
                Thread.sleep(5);
            }
            double seconds = (System.nanoTime() - startedAt) / 1e9;
            streams.close(Duration.ofSeconds(30));
            Report.printCounted(partitions.values(), seconds);
        }
    }

    private Topology topology() {
        Topology topology = new Topology();
        topology.addSource("transactions", new ByteArrayDeserializer(), new ByteArrayDeserializer(), topic);
        topology.addProcessor("counting", () -> new Counting(this), "transactions");
        topology.addStateStore(new PartitionStore.Builder(), "counting");
        return topology;
    }

    private static Properties settings(Arguments arguments, Path directory) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments.text("group"));
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.text("bootstrap"));
        settings.put(StreamsConfig.STATE_DIR_CONFIG, directory.toString());
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, THREADS);
        // The default with exactly once is 100 ms: ten times the transactions for nothing that is asked for here.
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1_000);
        settings.put(StreamsConfig.BUFFERED_RECORDS_PER_PARTITION_CONFIG, 20_000);
        settings.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        settings.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 10_000);
        settings.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.MAX_PARTITION_FETCH_BYTES_CONFIG), 1 << 20);
        settings.put(StreamsConfig.mainConsumerPrefix(ConsumerConfig.RECEIVE_BUFFER_CONFIG), 1 << 20);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BUFFER_MEMORY_CONFIG), 64L << 20);
        return settings;
    }

    private void findOffsets(Admin admin) throws Exception {
        Map<TopicPartition, OffsetSpec> first = new HashMap<>();
        Map<TopicPartition, OffsetSpec> end = new HashMap<>();
        admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions().forEach(partition -> {
            TopicPartition each = new TopicPartition(topic, partition.partition());
            first.put(each, OffsetSpec.earliest());
            end.put(each, OffsetSpec.latest());
        });
        admin.listOffsets(first).all().get().forEach((partition, found) -> firstOffsets.put(partition, found.offset()));
        admin.listOffsets(end).all().get().forEach((partition, found) -> endOffsets.put(partition, found.offset()));
    }

    private boolean isAllCommitted(Admin admin) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> committed =
                admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        return endOffsets.entrySet().stream().allMatch(end -> {
            OffsetAndMetadata at = committed.get(end.getKey());
            return at != null ? at.offset() >= end.getValue() : end.getValue().equals(firstOffsets.get(end.getKey()));
        });
    }

    private long counted() {
        return partitions.values().stream().mapToLong(partition -> partition.ledger.consumed).sum();
    }
}
