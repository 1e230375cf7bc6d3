import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.debezium.serde.DebeziumSerdes;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serde;

/**
 * `Consumer BROKERS TOPIC …`: what is in the topics now, as a consumer with Debezium's own deserializers reads it. A line per record:
 * [topic, partition, key, state after the change, state before it].
 */
public class Consumer {
  public static void main(String[] args) throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    Serde<JsonNode> keys = DebeziumSerdes.payloadJson(JsonNode.class);
    keys.configure(Map.of(), true);
    Serde<JsonNode> after = DebeziumSerdes.payloadJson(JsonNode.class);
    after.configure(Map.of("from.field", "after"), false);
    Serde<JsonNode> before = DebeziumSerdes.payloadJson(JsonNode.class);
    before.configure(Map.of("from.field", "before"), false);
    var bytes = new org.apache.kafka.common.serialization.ByteArrayDeserializer();
    try (var consumer = new KafkaConsumer<>(Map.of("bootstrap.servers", args[0]), bytes, bytes)) {
      for (String topic : List.of(args).subList(1, args.length)) {
        List<TopicPartition> all = consumer.partitionsFor(topic).stream()
            .map(each -> new TopicPartition(topic, each.partition())).toList();
        consumer.assign(all);
        consumer.seekToBeginning(all);
        Map<TopicPartition, Long> ends = consumer.endOffsets(all);
        while (all.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
          for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
            JsonNode key = keys.deserializer().deserialize(topic, record.key());
            JsonNode is = after.deserializer().deserialize(topic, record.value());
            JsonNode was = before.deserializer().deserialize(topic, record.value());
            System.out.println(mapper.writeValueAsString(new Object[] {topic, record.partition(), key, is, was}));
          }
        }
      }
    }
  }
}
