import type { ByteWriter, Bytes } from '../../../core/base/byte-writer.ts';
import type { EncodedRecord } from '../records/row-records.ts';

/** Makes of the JSON of a key, or of a value, the form in which it is sent. */
export interface PartCodec {
  encode(to: ByteWriter, from: Bytes, start: number, stop: number): void;
}

/** Records of one topic in another form than JSON; null of a part: it stays JSON. What is made is good until the next one. */
export class RecordCodec implements EncodedRecord {
  readonly #key: PartCodec;
  readonly #value: PartCodec;
  readonly #to: ByteWriter;
  readonly #text: ByteWriter;
  keyLength = -1;
  hasValue = true;

  constructor(
    parts: { readonly key: PartCodec | null; readonly value: PartCodec | null },
    memory: { readonly to: ByteWriter; readonly text: ByteWriter },
  ) {
    this.#key = parts.key ?? asIs;
    this.#value = parts.value ?? asIs;
    this.#to = memory.to;
    this.#text = memory.text;
  }

  get bytes(): Buffer {
    return this.#to.bytes;
  }
  get end(): number {
    return this.#to.at;
  }

  /** Of a record in bytes of JSON. */
  record({ bytes, view, keyLength, end }: EncodedRecord & Bytes): this {
    this.#to.clear();
    const from = { bytes, view };
    this.#put(this.#key, from, keyLength < 0 ? null : [0, keyLength]);
    this.keyLength = keyLength < 0 ? -1 : this.#to.at;
    this.#put(this.#value, from, [Math.max(keyLength, 0), end]);
    this.hasValue = true;
    return this;
  }

  /** Of a record in JSON text; null: none. */
  text(key: string | null, value: string | null): this {
    const text = this.#text;
    this.#to.clear();
    text.clear();
    if (key !== null) text.text(key);
    const keyEnd = text.at;
    if (value !== null) text.text(value);
    this.#put(this.#key, text, key === null ? null : [0, keyEnd]);
    this.keyLength = key === null ? -1 : this.#to.at;
    this.#put(this.#value, text, value === null ? null : [keyEnd, text.at]);
    this.hasValue = value !== null;
    return this;
  }

  #put(codec: PartCodec, from: Bytes, place: readonly [start: number, stop: number] | null): void {
    if (place !== null) codec.encode(this.#to, from, place[0], place[1]);
  }
}

const asIs: PartCodec = { encode: (to, from, start, stop) => to.copy(from, start, stop) };

/** `json_schema`: Connect's JSON with its schema in front. */
export function framed(schemaJson: string): PartCodec {
  const head = Buffer.from(`{"schema":${schemaJson},"payload":`);
  return {
    encode(to, from, start, stop) {
      to.raw(head);
      to.copy(from, start, stop);
      to.byte(0x7d);
    },
  };
}
