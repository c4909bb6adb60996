package peers;

import java.time.Instant;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.Callback;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** The producer: makes transactions and sends them as fast as it can. */
final class PlainProducer {
    private PlainProducer() {}

    static void produce(Arguments arguments) throws Exception {
        long records = arguments.number("records");
        String topic = arguments.text("topic");
        Properties settings = settings(arguments);
        settings.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, arguments.text("compression"));
        settings.put(ProducerConfig.LINGER_MS_CONFIG, 10);
        // Large batches: a request costs more than what is in it.
        settings.put(ProducerConfig.BATCH_SIZE_CONFIG, 256 << 10);
        settings.put(ProducerConfig.BUFFER_MEMORY_CONFIG, 64L << 20);
        settings.put(ProducerConfig.SEND_BUFFER_CONFIG, 1 << 20);
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            int partitions = producer.partitionsFor(topic).size();
            Generator generator = new Generator(topic, (int) arguments.number("accounts"), partitions);
            AtomicReference<Exception> failure = new AtomicReference<>();
            Callback onAck = (metadata, failed) -> failure.compareAndSet(null, failed);
            long startedAt = System.nanoTime();
            for (long record = 0; record < records; record++) {
                producer.send(generator.next(nowUs()), onAck);
            }
            producer.flush();
            double seconds = (System.nanoTime() - startedAt) / 1e9;
            if (failure.get() != null) {
                throw failure.get();
            }
            Report.print(to -> {
                to.writeNumberField("records", records);
                to.writeNumberField("seconds", seconds);
            });
        }
    }

    /** What every producer here has: acknowledged by all replicas in sync, and idempotent. */
    static Properties settings(Arguments arguments) {
        Properties settings = new Properties();
        settings.put(ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.text("bootstrap"));
        settings.put(ProducerConfig.ACKS_CONFIG, "all");
        settings.put(ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
        return settings;
    }

    static long nowUs() {
        Instant now = Instant.now();
        return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
    }
}
