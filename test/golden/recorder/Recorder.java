import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Properties;
import java.util.StringJoiner;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.connect.data.Schema;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;

/**
 * `Recorder SETTINGS OUTPUT`: Debezium's embedded engine until a line comes on standard input. Each record is a line of JSON: topic, key and
 * value as JsonConverter writes them with schemas, headers as [name, SimpleHeaderConverter's form].
 */
public class Recorder {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    try (FileInputStream in = new FileInputStream(args[0])) {
      settings.load(new InputStreamReader(in, StandardCharsets.UTF_8));
    }
    JsonConverter keys = new JsonConverter();
    JsonConverter values = new JsonConverter();
    keys.configure(Map.of("schemas.enable", "true"), true);
    values.configure(Map.of("schemas.enable", "true"), false);
    SimpleHeaderConverter headers = new SimpleHeaderConverter();
    headers.configure(Map.of());
    PrintStream out = new PrintStream(args[1], StandardCharsets.UTF_8);
    DebeziumEngine<ChangeEvent<SourceRecord, SourceRecord>> engine = DebeziumEngine.create(Connect.class)
        .using(settings)
        .using((ok, message, error) -> {
          System.err.println("ended " + ok + " " + message);
          if (error != null) error.printStackTrace();
        })
        .notifying(event -> {
          SourceRecord record = event.value();
          String topic = record.topic();
          StringJoiner made = new StringJoiner(",", "[", "]");
          for (Header header : record.headers()) {
            byte[] form = headers.fromConnectHeader(topic, header.key(), header.schema(), header.value());
            made.add("[" + quoted(header.key()) + "," + quoted(text(form)) + "]");
          }
          out.println("{\"topic\":" + quoted(topic)
              + ",\"key\":" + quoted(converted(keys, topic, record.keySchema(), record.key()))
              + ",\"value\":" + quoted(converted(values, topic, record.valueSchema(), record.value()))
              + ",\"headers\":" + made + "}");
          out.flush();
        })
        .build();
    var thread = Executors.newSingleThreadExecutor();
    thread.execute(engine);
    new BufferedReader(new InputStreamReader(System.in)).readLine();
    engine.close();
    thread.shutdown();
    thread.awaitTermination(20, TimeUnit.SECONDS);
    System.exit(0);
  }

  private static String converted(JsonConverter converter, String topic, Schema schema, Object value) {
    return text(converter.fromConnectData(topic, schema, value));
  }

  private static String text(byte[] bytes) {
    return bytes == null ? null : new String(bytes, StandardCharsets.UTF_8);
  }

  private static String quoted(String text) {
    if (text == null) return "null";
    StringBuilder out = new StringBuilder("\"");
    for (char c : text.toCharArray()) {
      if (c == '"' || c == '\\') out.append('\\').append(c);
      else if (c < 0x20 || Character.isSurrogate(c)) out.append(String.format("\\u%04x", (int) c));
      else out.append(c);
    }
    return out.append('"').toString();
  }
}
