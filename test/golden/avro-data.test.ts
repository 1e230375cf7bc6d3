import assert from 'node:assert/strict';
import { test } from 'node:test';
import { avroCodec } from '../../plugins/sink-kafka/schemas/avro-codec.ts';
import { avroSchema } from '../../plugins/sink-kafka/schemas/avro-schema.ts';
import { encoded, sampleSettings, samples } from '../support/connect-samples.ts';
import { avroDataOf, missingSerializers } from '../support/registry.ts';

const why = await missingSerializers();
const skip = why === null ? false : `AVRODATA IS NOT TO BE HAD HERE: ${why}`;

/** Names that Debezium's adjustment for Avro leaves as they are: AvroData takes no others. */
const named = /^[A-Za-z_][\w.]*$/;
/** JsonConverter reads these as 0. */
const lost = /"NaN"|"-?Infinity"|-0\.0/;

test('Avro of the records of Debezium is what AvroData makes of them: schemas as text, values as bytes', {
  skip,
}, async () => {
  const all = (await Promise.all(sampleSettings.map(samples))).flat();
  const taken = all.filter(({ schema, schemaText }) => {
    const names = [...schemaText.matchAll(/"(?:field|name)":"((?:[^"\\]|\\.)*)"/g)].map(([, name]) => name!);
    return (
      named.test(schema.name!) &&
      names.every((name) => named.test(name)) &&
      !names.some((name) => name.startsWith('dot.'))
    );
  });
  const theirs = await avroDataOf(taken.map(({ schemaText, json }) => `{"schema":${schemaText},"payload":${json}}`));
  let bytes = 0;
  for (const [i, { topic, schema, json }] of taken.entries()) {
    const [text, hex] = theirs[i]!;
    assert.equal(avroSchema(schema), text, topic);
    // Their maps have no order.
    if (lost.test(json) || /"type":"map"/.test(text)) continue;
    assert.equal(encoded(avroCodec(schema, 1), json).subarray(5).toString('hex'), hex, topic);
    bytes++;
  }
  const [values, compared] = [500 * sampleSettings.length, 400 * sampleSettings.length];
  assert.ok(taken.length > values && bytes > compared, `${taken.length} keys and values, ${bytes} of them as bytes`);
});
