package peers;

import java.util.Map;

/** The peer with Kafka's own Java client. */
public final class Plain {
    private Plain() {}

    public static void main(String[] arguments) {
        Arguments.run(arguments, Map.of(
                "consume", PlainConsumer::consume,
                "produce", PlainProducer::produce,
                "latency", Latency::measure));
    }
}
