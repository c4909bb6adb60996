package peers;

import java.util.Map;

/** The peer with Kafka Streams. */
public final class Streams {
    private Streams() {}

    public static void main(String[] arguments) {
        Arguments.run(arguments, Map.of("consume", StreamsConsumer::consume));
    }
}
