import io.debezium.embedded.Connect;
import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.connect.header.Header;
import org.apache.kafka.connect.json.JsonConverter;
import org.apache.kafka.connect.source.SourceRecord;
import org.apache.kafka.connect.storage.SimpleHeaderConverter;

/**
 * `Engine SETTINGS`: Debezium's embedded engine into Kafka, as a worker of Kafka Connect would write its records, until a line comes on
 * standard input. Settings that begin with `kafka.` are the producer's; `schemas.enable` is JsonConverter's.
 */
public class Engine {
  public static void main(String[] args) throws Exception {
    Properties settings = new Properties();
    try (FileInputStream in = new FileInputStream(args[0])) {
      settings.load(new InputStreamReader(in, StandardCharsets.UTF_8));
    }
    Properties producing = new Properties();
    for (String name : settings.stringPropertyNames()) {
      if (name.startsWith("kafka.")) producing.put(name.substring("kafka.".length()), settings.remove(name));
    }
    String schemas = settings.getProperty("schemas.enable", "false");
    JsonConverter keys = new JsonConverter();
    JsonConverter values = new JsonConverter();
    keys.configure(Map.of("schemas.enable", schemas), true);
    values.configure(Map.of("schemas.enable", schemas), false);
    SimpleHeaderConverter headers = new SimpleHeaderConverter();
    headers.configure(Map.of());
    var producer = new KafkaProducer<>(producing, new ByteArraySerializer(), new ByteArraySerializer());
    DebeziumEngine<ChangeEvent<SourceRecord, SourceRecord>> engine = DebeziumEngine.create(Connect.class)
        .using(settings)
        .using((ok, message, error) -> {
          System.err.println("ended " + ok + " " + message);
          if (error != null) error.printStackTrace();
        })
        .notifying((events, committer) -> {
          List<Future<?>> sent = new ArrayList<>(events.size());
          for (var event : events) {
            SourceRecord record = event.value();
            String topic = record.topic();
            RecordHeaders made = new RecordHeaders();
            for (Header header : record.headers()) {
              made.add(header.key(), headers.fromConnectHeader(topic, header.key(), header.schema(), header.value()));
            }
            byte[] key = keys.fromConnectData(topic, record.keySchema(), record.key());
            byte[] value = values.fromConnectData(topic, record.valueSchema(), record.value());
            sent.add(producer.send(new ProducerRecord<>(topic, null, key, value, made)));
          }
          producer.flush();
          for (Future<?> one : sent) {
            try {
              one.get();
            } catch (java.util.concurrent.ExecutionException error) {
              throw new IllegalStateException(error);
            }
          }
          for (var event : events) committer.markProcessed(event);
          committer.markBatchFinished();
        })
        .build();
    var thread = Executors.newSingleThreadExecutor();
    thread.execute(engine);
    new BufferedReader(new InputStreamReader(System.in)).readLine();
    engine.close();
    thread.shutdown();
    thread.awaitTermination(20, TimeUnit.SECONDS);
    producer.close();
    System.exit(0);
  }
}
