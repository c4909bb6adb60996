package peers;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;
import java.util.Collection;

/** The one line of JSON that a command ends with. */
final class Report {
    private Report() {}

    /** Something that writes members into an object. */
    interface Writer {
        void write(JsonGenerator to) throws IOException;
    }

    static void print(Writer members) throws IOException {
        java.io.StringWriter line = new java.io.StringWriter();
        try (JsonGenerator to = new JsonFactory().createGenerator(line)) {
            to.writeStartObject();
            members.write(to);
            to.writeEndObject();
        }
        System.out.println(line);
    }

    /** What a consumer found, all partitions together. */
    static void printCounted(Collection<Partition> partitions, double seconds) throws IOException {
        Ledger ledger = new Ledger();
        Totals totals = new Totals();
        long missing = 0;
        for (Partition partition : partitions) {
            ledger.join(partition.ledger);
            totals.join(partition.totals);
            missing += partition.sequences.missing;
        }
        long missingInAll = missing;
        print(to -> {
            to.writeNumberField("records", ledger.consumed);
            to.writeNumberField("seconds", seconds);
            ledger.write(missingInAll, to);
            totals.write(to);
        });
    }
}
