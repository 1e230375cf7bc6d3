import io.apicurio.registry.utils.converter.avro.AvroData;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.connect.data.SchemaAndValue;
import org.apache.kafka.connect.json.JsonConverter;

/** Lines of JSON with schema and payload on standard input; for each the Avro schema and the bytes in hex that AvroData makes of it, with a tab between. */
public class ConnectToAvro {
  public static void main(String[] args) throws Exception {
    JsonConverter json = new JsonConverter();
    json.configure(Map.of("schemas.enable", "true", "converter.type", "value"));
    AvroData avro = new AvroData(1000);
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      SchemaAndValue data = json.toConnectData("topic", line.getBytes(StandardCharsets.UTF_8));
      Schema schema = avro.fromConnectSchema(data.schema());
      ByteArrayOutputStream bytes = new ByteArrayOutputStream();
      BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
      new GenericDatumWriter<>(schema).write(avro.fromConnectData(data.schema(), data.value()), encoder);
      encoder.flush();
      System.out.println(schema + "\t" + HexFormat.of().formatHex(bytes.toByteArray()));
    }
  }
}
