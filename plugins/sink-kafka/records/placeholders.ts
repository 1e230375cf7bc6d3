import { oids, oidsOf } from '../../../core/postgres/oids.ts';
import { createHash } from 'node:crypto';
import { jsonString } from './json.ts';
import type { Typed } from './type-facts.ts';
import type { TypeModes } from './types.ts';

/*
 * What stands for a large value that was not sent, where Debezium has a form of its placeholder that fits the type. Everywhere else
 * it is null there: it cannot be told from NULL, and neither can a string in a column of numbers be read.
 */

export function binaryPlaceholder({ binary, unavailable }: TypeModes): string {
  if (binary === 'bytes') return JSON.stringify(Buffer.from(unavailable).toString('base64'));
  return binary === 'hex' ? jsonString(unavailable) : 'null';
}

const strings = oidsOf('text', 'varchar', 'bpchar', 'json', 'jsonb');

/** Integers and dates take the placeholder's bytes, uuid a name-based UUID of it; a domain over an array has none. */
export function arrayPlaceholder({ type, domain }: Typed, modes: TypeModes): string {
  const { unavailable, binary, time } = modes;
  if (domain) return 'null';
  if (strings.has(type)) return `[${jsonString(unavailable)}]`;
  if (type === oids.bytea) return binary === 'bytes' ? `[${binaryPlaceholder(modes)}]` : 'null';
  if (type === oids.uuid) return `["${nameUuid(unavailable)}"]`;
  const days = type === oids.date && !['isostring', 'connect', 'structured'].includes(time);
  return type === oids.int8 || type === oids.int4 || days ? byteList(unavailable) : 'null';
}

/** As Java's signed bytes. */
function byteList(placeholder: string): string {
  return `[${[...new Int8Array(Buffer.from(placeholder))].join(',')}]`;
}

/** Version 3 UUID of the bytes alone, as java.util.UUID.nameUUIDFromBytes makes it. */
function nameUuid(name: string): string {
  const hash = createHash('md5').update(name).digest();
  hash[6] = ((hash[6] as number) & 0x0f) | 0x30;
  hash[8] = ((hash[8] as number) & 0x3f) | 0x80;
  return hash.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}
