import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import io.apicurio.registry.serde.protobuf.ProtobufKafkaDeserializer;
import io.apicurio.registry.serde.protobuf.ProtobufSerdeHeaders;
import io.apicurio.registry.utils.converter.AvroConverter;
import io.apicurio.registry.utils.converter.avro.AvroData;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;

/**
 * `Reader BROKERS REGISTRY FORMAT TOPIC`: what is in a topic now, read with the registry's deserializers. A line per record: key and
 * value, each as JSON text in a JSON string. Of Avro that is what JsonConverter makes of the Connect data, with its schema; then the Avro schema
 * that AvroData makes of that schema.
 */
public class Reader {
  public static void main(String[] args) throws Exception {
    Map<String, Object> ids = new HashMap<>(Map.of(
        "apicurio.registry.url", args[1],
        "apicurio.registry.as-confluent", true,
        "apicurio.registry.use-id", "contentId",
        "apicurio.registry.headers.enabled", false));
    String topic = args[3];
    boolean avro = args[2].equals("avro");
    BiFunction<Boolean, byte[], String> read = avro ? avro(ids, topic) : protobuf(ids, topic);
    try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(
        Map.of("bootstrap.servers", args[0], "isolation.level", "read_committed"),
        new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
      List<TopicPartition> all = consumer.partitionsFor(topic).stream()
          .map(each -> new TopicPartition(topic, each.partition())).toList();
      consumer.assign(all);
      consumer.seekToBeginning(all);
      Map<TopicPartition, Long> ends = consumer.endOffsets(all);
      while (all.stream().anyMatch(each -> consumer.position(each) < ends.get(each))) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
          System.out.println("[" + read.apply(true, record.key()) + "," + read.apply(false, record.value()) + "]");
        }
      }
    }
  }

  private static BiFunction<Boolean, byte[], String> avro(Map<String, Object> ids, String topic) {
    AvroConverter<Object> keys = new AvroConverter<>();
    AvroConverter<Object> values = new AvroConverter<>();
    keys.configure(ids, true);
    values.configure(ids, false);
    JsonConverter json = new JsonConverter();
    json.configure(Map.of("schemas.enable", "true", "converter.type", "value", "replace.null.with.default", "false"));
    return (isKey, bytes) -> {
      if (bytes == null) return "null,null";
      SchemaAndValue data = (isKey ? keys : values).toConnectData(topic, bytes);
      String text = new String(json.fromConnectData(topic, data.schema(), data.value()), StandardCharsets.UTF_8);
      return quoted(text) + "," + quoted(new AvroData(10).fromConnectSchema(data.schema()).toString());
    };
  }

  private static BiFunction<Boolean, byte[], String> protobuf(Map<String, Object> ids, String topic) {
    ProtobufKafkaDeserializer<Message> keys = new ProtobufKafkaDeserializer<>();
    ProtobufKafkaDeserializer<Message> values = new ProtobufKafkaDeserializer<>();
    keys.configure(ids, true);
    values.configure(ids, false);
    JsonFormat.Printer printer = JsonFormat.printer().preservingProtoFieldNames().omittingInsignificantWhitespace();
    return (isKey, bytes) -> {
      if (bytes == null) return "null,null";
      // It finds the message by a header, and knows nothing of the byte in which Confluent's say that it is the first.
      byte[] withoutIndex = Arrays.copyOf(bytes, bytes.length - 1);
      System.arraycopy(bytes, 6, withoutIndex, 5, bytes.length - 6);
      Headers headers = new RecordHeaders();
      new ProtobufSerdeHeaders(ids, isKey).addProtobufTypeNameHeader(headers, isKey ? "Key" : "Envelope");
      try {
        return quoted(printer.print((isKey ? keys : values).deserialize(topic, headers, withoutIndex))) + ",null";
      } catch (Exception error) {
        throw new IllegalStateException(error);
      }
    };
  }

  private static String quoted(String text) {
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 0x20 || Character.isSurrogate(c)) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }
}
