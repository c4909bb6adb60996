package peers;

import java.util.Map;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.processor.StateStore;
import org.apache.kafka.streams.processor.StateStoreContext;
import org.apache.kafka.streams.query.Position;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.internals.CacheFlushListener;
import org.apache.kafka.streams.state.internals.CachedStateStore;

/**
 * A task's state store: the partition as objects, in front of an in-memory store with a changelog.
 *
 * <p>It is what a caching store is, but for objects: records change the {@link Partition}, and only when Streams is about to
 * commit is what has changed put into the store below, and so into the changelog, in the same transaction as the offsets.
 * With plain or caching key-value stores, every record would serialise some ten values. Streams asks caches to flush
 * through {@link CachedStateStore}, which is an internal interface; its public one is told after the commit only.
 */
final class PartitionStore implements StateStore, CachedStateStore<Object, Object> {
    static final String NAME = "partition";

    private final KeyValueStore<Bytes, byte[]> below = Stores.keyValueStoreBuilder(
                    Stores.inMemoryKeyValueStore(NAME), Serdes.Bytes(), Serdes.ByteArray())
            .withLoggingEnabled(Map.of())
            .withCachingDisabled()
            .build();
    private PartitionState state;

    /** The partition as the changelog has it; new, beginning at an offset, if there is nothing yet. */
    Partition load(long firstOffset) {
        state = PartitionState.load(below, firstOffset);
        return state.partition();
    }

    @Override
    public void flushCache() {
        if (state != null) {
            state.save(below);
        }
    }

    @Override
    public void init(StateStoreContext context, StateStore root) {
        below.init(context, root);
    }

    @Override
    public boolean setFlushListener(CacheFlushListener<Object, Object> listener, boolean sendOldValues) {
        return false; // Nothing goes on from here.
    }

    @Override
    public void clearCache() {
        state = null;
    }

    @Override
    public String name() {
        return NAME;
    }

    @Override
    public void close() {
        below.close();
    }

    @Override
    public boolean persistent() {
        return false;
    }

    @Override
    public boolean isOpen() {
        return below.isOpen();
    }

    @Override
    public Position getPosition() {
        return below.getPosition();
    }

    /** Makes the stores, one for each task. */
    static final class Builder implements StoreBuilder<PartitionStore> {
        @Override
        public PartitionStore build() {
            return new PartitionStore();
        }

        @Override
        public Map<String, String> logConfig() {
            return Map.of();
        }

        @Override
        public boolean loggingEnabled() {
            return true;
        }

        @Override
        public String name() {
            return NAME;
        }

        @Override
        public StoreBuilder<PartitionStore> withCachingEnabled() {
            return this;
        }

        @Override
        public StoreBuilder<PartitionStore> withCachingDisabled() {
            return this;
        }

        @Override
        public StoreBuilder<PartitionStore> withLoggingEnabled(Map<String, String> config) {
            return this;
        }

        @Override
        public StoreBuilder<PartitionStore> withLoggingDisabled() {
            throw new UnsupportedOperationException("without a changelog it would not survive a crash");
        }
    }
}
