import { type Connection, type Reader, Writer } from '@platformatic/kafka';

export interface EncodedBatch {
  readonly topic: string;
  readonly partition: number;
  readonly bytes: Buffer;
}
export interface ProduceResult {
  readonly topic: string;
  readonly partition: number;
  readonly errorCode: number;
}

const apiKey = 0;
/** In brokers since 2.8, the first with compact fields; newer ones differ in what only other clients need. */
const apiVersion = 9;
const allInSync = -1;

/** One Produce request (protocol guide: "Produce API", version 9) with batches that are encoded already. */
export function produce(
  connection: Connection,
  batches: readonly EncodedBatch[],
  more: { readonly transactionalId: string | null; readonly timeout: number },
): Promise<readonly ProduceResult[]> {
  return new Promise((resolve, reject) => {
    connection.send(
      apiKey,
      apiVersion,
      () => request(batches, more),
      (_correlation, _key, _version, reader) => results(reader),
      true,
      true,
      (error: Error | null | undefined, answer?: readonly ProduceResult[]) => {
        if (error === null || error === undefined) resolve(answer ?? []);
        else reject(error);
      },
    );
  });
}

function request(
  batches: readonly EncodedBatch[],
  more: { readonly transactionalId: string | null; readonly timeout: number },
): Writer {
  const topics = new Map<string, EncodedBatch[]>();
  for (const batch of batches) {
    const of = topics.get(batch.topic);
    if (of === undefined) topics.set(batch.topic, [batch]);
    else of.push(batch);
  }
  return Writer.create()
    .appendString(more.transactionalId)
    .appendInt16(allInSync)
    .appendInt32(more.timeout)
    .appendArray([...topics], (writer, [topic, of]) => {
      writer.appendString(topic).appendArray(of, (w, { partition, bytes }) => {
        w.appendInt32(partition)
          .appendUnsignedVarInt(bytes.length + 1)
          .append(bytes);
      });
    })
    .appendTaggedFields();
}

function results(reader: Reader): readonly ProduceResult[] {
  const found: ProduceResult[] = [];
  reader.readArray(
    (topicReader) => {
      const topic = topicReader.readString();
      topicReader.readArray(
        (r) => {
          const partition = r.readInt32();
          const errorCode = r.readInt16();
          r.skip(24); // base offset, append time, start offset
          r.readArray(
            (e) => {
              e.readInt32();
              e.readNullableString();
              e.readTaggedFields();
            },
            true,
            false,
          );
          r.readNullableString();
          r.readTaggedFields();
          found.push({ topic, partition, errorCode });
        },
        true,
        false,
      );
      topicReader.readTaggedFields();
    },
    true,
    false,
  );
  reader.readInt32();
  reader.readTaggedFields();
  return found;
}
