package peers;

import java.time.Duration;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/** The one processor of the topology: counts the records of its task's partition into its store. */
final class Counting implements Processor<byte[], byte[], Void, Void> {
    private static final Duration LOOK_EVERY = Duration.ofMillis(50);

    private final StreamsConsumer run;
    private ProcessorContext<Void, Void> context;
    private Partition partition;
    private long endOffset;
    private long nextOffset;
    private boolean hasAskedToCommit;

    Counting(StreamsConsumer run) {
        this.run = run;
    }

    /** Runs after the store has been restored. */
    @Override
    public void init(ProcessorContext<Void, Void> context) {
        this.context = context;
        int index = context.taskId().partition();
        PartitionStore store = context.getStateStore(PartitionStore.NAME);
        partition = store.load(run.firstOffset(index));
        run.partitions().put(index, partition);
        endOffset = run.endOffset(index);
        context.schedule(LOOK_EVERY, PunctuationType.WALL_CLOCK_TIME, now -> commitAtTheEnd());
    }

    @Override
    public void process(Record<byte[], byte[]> record) {
        run.hasBegun();
        RecordMetadata metadata = context.recordMetadata().orElseThrow();
        partition.take(metadata.offset(), record.timestamp(), record.headers(), record.value());
        nextOffset = metadata.offset() + 1;
    }

    /** So that the last commit doesn't wait for its interval. */
    private void commitAtTheEnd() {
        if (nextOffset >= endOffset && !hasAskedToCommit) {
            hasAskedToCommit = true;
            context.commit();
        }
    }
}
