package peers;

import com.fasterxml.jackson.core.JsonGenerator;
import java.io.IOException;

/** A column for what can become of a record. */
final class Ledger {
    long consumed;
    long accepted;
    long redelivered;
    long repeated;
    final long[] rejected = new long[Reason.ALL.length];
    final long[] timely = new long[Windows.Timeliness.values().length];

    void reject(Reason reason) {
        rejected[reason.ordinal()]++;
    }

    void join(Ledger other) {
        consumed += other.consumed;
        accepted += other.accepted;
        redelivered += other.redelivered;
        repeated += other.repeated;
        for (int reason = 0; reason < rejected.length; reason++) {
            rejected[reason] += other.rejected[reason];
        }
        for (int timeliness = 0; timeliness < timely.length; timeliness++) {
            timely[timeliness] += other.timely[timeliness];
        }
    }

    /** In the shape of the contract. */
    void write(long missing, JsonGenerator to) throws IOException {
        to.writeObjectFieldStart("ledger");
        to.writeNumberField("consumed", consumed);
        to.writeNumberField("accepted", accepted);
        to.writeNumberField("redelivered", redelivered);
        to.writeNumberField("repeated", repeated);
        to.writeObjectFieldStart("rejected");
        for (Reason reason : Reason.ALL) {
            if (rejected[reason.ordinal()] > 0) {
                to.writeNumberField(reason.code(), rejected[reason.ordinal()]);
            }
        }
        to.writeEndObject();
        to.writeNumberField("on_time", timely[Windows.Timeliness.ON_TIME.ordinal()]);
        to.writeNumberField("revised", timely[Windows.Timeliness.REVISED.ordinal()]);
        to.writeNumberField("too_late", timely[Windows.Timeliness.TOO_LATE.ordinal()]);
        to.writeNumberField("missing_from_sequence", missing);
        to.writeEndObject();
    }
}
