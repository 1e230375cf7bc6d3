import type { Json } from '../../api/checkpoint.ts';
import { formatLsn, parseLsn } from '../../postgres/lsn.ts';

/** How a value is stored in the checkpoint. `read` throws an Error that says what it found instead. */
export interface Codec<T> {
  read(value: Json): T;
  write(value: T): Json;
}
export type Decoded<C> = C extends Codec<infer T> ? T : never;

function plain<T extends Json>(what: string, is: (value: Json) => value is T): Codec<T> {
  return {
    read: (value) => {
      if (!is(value)) throw new Error(`not ${what}`);
      return value;
    },
    write: (value) => value,
  };
}

export const text = plain('text', (value) => typeof value === 'string');
export const number = plain('a number', (value) => typeof value === 'number');
export const flag = plain('true or false', (value) => typeof value === 'boolean');
/** A value that another component writes and reads: a source, a fence. */
export const opaque: Codec<Json> = { read: (value) => value, write: (value) => value };

export function oneOf<const V extends string>(...values: readonly V[]): Codec<V> {
  return plain(values.join(' or '), (value): value is V => values.includes(value as V));
}

/** A position of one of the branded types. */
export function lsn<T extends bigint>(): Codec<T> {
  return { read: (value) => parseLsn(text.read(value)) as T, write: formatLsn };
}

/** A count that may exceed the range of a number. */
export const count: Codec<bigint> = { read: (value) => BigInt(text.read(value)), write: String };

export function nullable<T>(codec: Codec<T>): Codec<T | null> {
  return {
    read: (value) => (value === null ? null : codec.read(value)),
    write: (value) => (value === null ? null : codec.write(value)),
  };
}

export function listOf<T>(codec: Codec<T>): Codec<readonly T[]> {
  return {
    read: (value) => {
      if (!Array.isArray(value)) throw new Error('not a list');
      return (value as readonly Json[]).map((each) => codec.read(each));
    },
    write: (values) => values.map((each) => codec.write(each)),
  };
}

export type JsonObject = { readonly [key: string]: Json };

export function objectOf(value: Json): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object');
  return value as JsonObject;
}

export function recordOf<T>(codec: Codec<T>): Codec<Readonly<Record<string, T>>> {
  const each = <A, B>(of: object, map: (value: A) => B) =>
    Object.fromEntries(Object.entries(of).map(([key, value]) => [key, map(value as A)]));
  return {
    read: (value) => each(objectOf(value), (one: Json) => codec.read(one)),
    write: (value) => each(value, (one: T) => codec.write(one)),
  };
}

type Fields = Readonly<Record<string, Codec<unknown>>>;
type Read<F extends Fields> = { readonly [K in keyof F]: Decoded<F[K]> };

/**
 * An object with these keys; other keys, of a later version, are ignored. `absent`: the value for an older object
 * without the key.
 */
export function fields<F extends Fields>(of: F, absent: { readonly [K in keyof F]?: Json } = {}): Codec<Read<F>> {
  const keys = Object.entries(of);
  return {
    read: (value) => {
      const object = objectOf(value);
      const read = keys.map(([key, codec]) => {
        const there = object[key] ?? absent[key] ?? null;
        try {
          return [key, codec.read(there)];
        } catch (error) {
          throw new Error(`${key} is ${(error as Error).message}`, { cause: error });
        }
      });
      return Object.fromEntries(read) as Read<F>;
    },
    write: (value) => Object.fromEntries(keys.map(([key, codec]) => [key, codec.write(value[key])])),
  };
}
