import { codecOf } from '../../expr/values/codec.ts';
import type { Value } from '../../expr/values/codec.ts';
import { oidsOf } from '../../postgres/oids.ts';
import type { Column } from '../../postgres/relation.ts';
import type { Tuple } from '../../postgres/tuple.ts';

/**
 * Types whose btree order is the same on every server and here. Texts only where their index compares bytes (collation "C"), which
 * the source says.
 */
const ordered = oidsOf(
  'int2',
  'int4',
  'int8',
  'oid',
  'uuid',
  'date',
  'timestamp',
  'timestamptz',
  'numeric',
  'bytea',
  'text',
  'varchar',
);

export function isOrdered({ baseType, typeKind }: Column): boolean {
  return ordered.has(baseType) && (typeKind === 'base' || typeKind === 'domain');
}

/** A key as values. */
export type Key = readonly Value[];

/** The order of keys: by the first column, then the next, as a btree over them has it. No part of a key is NULL. */
export class KeyOrder {
  readonly #codecs: readonly ReturnType<typeof codecOf>[];

  /** Columns of which {@link isOrdered} is true. */
  constructor(columns: readonly Column[]) {
    this.#codecs = columns.map(({ baseType }) => codecOf(baseType));
  }

  /** Text as the server prints it in our sessions. */
  read(cells: Tuple): Key {
    return this.#codecs.map((codec, i) => {
      const cell = cells[i];
      if (typeof cell !== 'string') throw new RangeError(`part ${i + 1} of a key is missing`);
      return codec.decode(cell);
    });
  }

  compare(a: Key, b: Key): number {
    for (const [i, codec] of this.#codecs.entries()) {
      const order = codec.compare!(a[i]!, b[i]!);
      if (order !== 0) return order;
    }
    return 0;
  }

  /** Each is beyond the one before. */
  isAscending(keys: readonly Tuple[]): boolean {
    const read = keys.map((cells) => this.read(cells));
    return read.every((key, i) => i === 0 || this.compare(read[i - 1]!, key) < 0);
  }
}
