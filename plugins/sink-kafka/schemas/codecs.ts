import { ByteWriter } from '../records/byte-writer.ts';
import { type ConnectSchema, schemaJson } from './connect-schema.ts';
import { framed, type PartCodec, RecordCodec } from './record-codec.ts';
import type { RecordSchemas } from './record-schemas.ts';

/** How a key, or a value, is serialized. */
export type Serialization = 'json' | 'json_schema';

/** Finds the codec of a topic's records. */
export class Codecs {
  readonly #key: Serialization;
  readonly #value: Serialization;
  /** One record at a time is made, so all codecs share the memory. */
  readonly #memory = { to: new ByteWriter(), text: new ByteWriter() };

  constructor(by: { readonly key: Serialization; readonly value: Serialization }) {
    this.#key = by.key;
    this.#value = by.value;
  }

  /** Null: plain JSON. */
  async of(_topic: string, { key, value }: RecordSchemas): Promise<RecordCodec | null> {
    const parts = { key: this.#part(this.#key, key), value: this.#part(this.#value, value) };
    return parts.key === null && parts.value === null ? null : new RecordCodec(parts, this.#memory);
  }

  #part(as: Serialization, schema: ConnectSchema | null): PartCodec | null {
    return as === 'json' || schema === null ? null : framed(schemaJson(schema));
  }
}
