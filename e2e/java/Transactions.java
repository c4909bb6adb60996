import java.util.Properties;
import java.util.Scanner;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * A transactional producer as Java programs have it. Arguments: bootstrap list, topic, partition. Each line of standard
 * input is a value to send, or one of the words begin, commit, abort, leave: the last one ends the process without
 * finishing the transaction, so that it stays open.
 */
final class Transactions {
    public static void main(String[] arguments) throws Exception {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", arguments[0]);
        settings.put("transactional.id", arguments[1]);
        settings.put("transaction.timeout.ms", "300000");
        settings.put("key.serializer", StringSerializer.class.getName());
        settings.put("value.serializer", StringSerializer.class.getName());
        KafkaProducer<String, String> producer = new KafkaProducer<>(settings);
        producer.initTransactions();
        Scanner lines = new Scanner(System.in, "UTF-8");
        while (lines.hasNextLine()) {
            String line = lines.nextLine();
            switch (line) {
                case "begin" -> producer.beginTransaction();
                case "commit" -> producer.commitTransaction();
                case "abort" -> {
                    producer.flush();
                    producer.abortTransaction();
                }
                case "leave" -> {
                    producer.flush();
                    System.out.println("left");
                    System.out.flush();
                    Runtime.getRuntime().halt(0);
                }
                default -> producer.send(new ProducerRecord<>(arguments[1], Integer.valueOf(arguments[2]), null, line)).get();
            }
        }
        producer.close();
    }
}
