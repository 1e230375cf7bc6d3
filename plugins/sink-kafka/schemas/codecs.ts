import { kafkaError } from '../errors.ts';
import { ByteWriter } from '../../../core/base/byte-writer.ts';
import { avroCodec } from './avro-codec.ts';
import { avroSchema } from './avro-schema.ts';
import { type ConnectSchema, schemaJson, type StructSchema } from './connect-schema.ts';
import { protobufCodec } from './protobuf-codec.ts';
import { decimalFile, protobufSchema } from './protobuf-schema.ts';
import { framed, type PartCodec, RecordCodec } from './record-codec.ts';
import type { RecordSchemas } from './record-schemas.ts';
import type { Registry } from './registry.ts';
import type { RegistrySchema } from './registry-client.ts';

/** How a key, or a value, is serialized. */
export type Serialization = 'json' | 'json_schema' | 'avro' | 'protobuf';

type Part = 'key' | 'value';

/** A schema that a topic's records need in the registry. */
export interface Needed extends RegistrySchema {
  readonly subject: string;
}

/** Finds the codec of a topic's records. */
export class Codecs {
  readonly #as: Readonly<Record<Part, Serialization>>;
  readonly #registry: Registry | null;
  /** One record at a time is made, so all codecs share the memory. */
  readonly #memory = { to: new ByteWriter(), text: new ByteWriter() };

  /** Throws PGS5018. */
  constructor(as: Readonly<Record<Part, Serialization>>, registry: Registry | null) {
    this.#as = as;
    this.#registry = registry;
    const wanting = Object.values(as).find(isRegistered);
    if (wanting !== undefined && registry === null) {
      throw kafkaError('PGS5018', `\`${wanting}\` needs \`registry: { url }\``);
    }
  }

  /** Null: plain JSON. Registers schemas: throws PGS5040 to PGS5045. */
  async of(topic: string, schemas: RecordSchemas): Promise<RecordCodec | null> {
    const parts = { key: await this.#part('key', topic, schemas), value: await this.#part('value', topic, schemas) };
    return parts.key === null && parts.value === null ? null : new RecordCodec(parts, this.#memory);
  }

  /** What {@link of} would ask the registry for. */
  needed(topic: string, schemas: RecordSchemas): readonly Needed[] {
    return (['key', 'value'] as const).flatMap((part) => this.#needed(part, topic, schemas[part]) ?? []);
  }

  /** Why the registry would not take a schema; null: it would. */
  async objection({ subject, ...schema }: Needed): Promise<string | null> {
    return this.#registry === null ? null : this.#registry.objection(subject, schema);
  }

  async close(): Promise<void> {
    await this.#registry?.close();
  }

  async #part(part: Part, topic: string, schemas: RecordSchemas): Promise<PartCodec | null> {
    const schema = schemas[part];
    if (schema === null || this.#as[part] === 'json') return null;
    const needed = this.#needed(part, topic, schema);
    if (needed === null) return framed(schemaJson(schema));
    const { subject, ...registered } = needed;
    const id = await (this.#registry as Registry).idOf(subject, registered);
    return needed.schemaType === 'AVRO' ? avroCodec(schema, id) : protobufCodec(schema as StructSchema, id);
  }

  #needed(part: Part, topic: string, schema: ConnectSchema | null): Needed | null {
    const as = this.#as[part];
    if (schema === null || this.#registry === null || !isRegistered(as)) return null;
    const subject = this.#registry.subject(topic, part, schema);
    if (as === 'avro') {
      return { subject, schemaType: 'AVRO', schema: avroSchema({ ...schema, optional: false }), references: [] };
    }
    if (schema.type !== 'struct') {
      throw kafkaError('PGS5018', 'a key by expression is no message of Protobuf', {
        remedy: 'Set `key_format` to json, json_schema or avro.',
      });
    }
    const { text, imports } = protobufSchema(schema);
    return {
      subject,
      schemaType: 'PROTOBUF',
      schema: text,
      references: imports.has(decimalFile.name) ? [decimalFile] : [],
    };
  }
}

function isRegistered(as: Serialization): boolean {
  return as === 'avro' || as === 'protobuf';
}
