import { constants } from 'node:buffer';
import type pg from 'pg';
import { oids } from '../../core/postgres/oids.ts';
import { quoteIdent } from '../../core/postgres/quote.ts';
import type { Column } from '../../core/postgres/relation.ts';
import type { Cell } from '../../core/postgres/tuple.ts';

/** Bytes that are read at once; their text takes twice as many. */
const pieceBytes = 32 << 20;

/** Bytes of a value, by type, whose text would be longer than a string can be; their number is known without reading them. */
const mostBytes: ReadonlyMap<number, number> = new Map([
  [oids.bytea, Math.floor(constants.MAX_STRING_LENGTH / 2) - 8],
  [oids.text, constants.MAX_STRING_LENGTH - 8],
  [oids.varchar, constants.MAX_STRING_LENGTH - 8],
]);

/** SQL that is true where the value of the row `t` cannot be a string; null: it always can. */
export function tooLarge({ name, baseType }: Column): string | null {
  const most = mostBytes.get(baseType);
  return most === undefined ? null : `pg_catalog.octet_length(t.${quoteIdent(name)}) > ${most}`;
}

/** A row by its key: `from` as SQL, in which it is called `t`. */
export interface LargeOf {
  readonly column: Column;
  readonly from: string;
  readonly where: string;
  readonly values: readonly Cell[];
}

/** The bytes of a value's text, read in pieces; `gone`: the row is not there any more, or has NULL by now. */
export async function readLarge(client: pg.Client, of: LargeOf): Promise<Buffer | 'gone'> {
  const { column, from, where, values } = of;
  const isBytea = column.baseType === oids.bytea;
  const value = `t.${quoteIdent(column.name)}`;
  const bytes = isBytea ? value : `pg_catalog.convert_to(${value}, 'UTF8')`;
  const parts: Buffer[] = isBytea ? [Buffer.from('\\x')] : [];
  await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
  try {
    for (let at = 1; ; at += pieceBytes) {
      const piece = `pg_catalog.encode(pg_catalog.substring(${bytes}, ${at}, ${pieceBytes}), 'hex')`;
      const text = `SELECT ${piece} FROM ${from} AS t WHERE ${where}`;
      const read = await client.query<(string | null)[]>({ text, values: [...values], rowMode: 'array' } as never);
      const hex = read.rows[0]?.[0] ?? null;
      if (hex === null) return 'gone';
      parts.push(Buffer.from(hex, isBytea ? 'latin1' : 'hex'));
      if (hex.length < pieceBytes * 2) return Buffer.concat(parts);
    }
  } finally {
    await client.query('ROLLBACK');
  }
}
