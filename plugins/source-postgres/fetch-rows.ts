import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { FetchedCell, Tuple } from '../../core/postgres/tuple.ts';
import { type Column, type Relation, relationName } from '../../core/postgres/relation.ts';
import type { RangeAsked, RowsAsked } from '../../core/api/source-database.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import { quoteIdent } from '../../core/postgres/quote.ts';
import { sourceError } from './errors.ts';
import { readLarge, tooLarge } from './fetch-large.ts';
import { rangeStatement } from './read-range.ts';
import { HeldClient } from './held-client.ts';
import { type SourceAccess, open } from './session.ts';

/** Rows per statement; each takes as many parameters as the key has columns, of which the protocol allows 65535. */
const rowsPerStatement = 1000;
/** Waits between two looks whether a commit is visible, in milliseconds. */
const shortestWait = 2;
const longestWait = 250;
const tellAfter = 10_000;

/**
 * Reads the present rows by key, over one connection that is opened at the first query and held. The transactions in
 * `after` are visible to it: a walsender may send a commit before other sessions see it, for as long as the commit
 * waits for a synchronous standby.
 */
export class RowFetcher implements AsyncDisposable {
  readonly #access: SourceAccess;
  readonly #held: HeldClient;

  constructor(access: SourceAccess) {
    this.#access = access;
    this.#held = new HeldClient(() => open(access));
  }

  fetch(asked: RowsAsked, signal: AbortSignal): Promise<readonly (readonly FetchedCell[] | null)[]> {
    return this.#guarded(asked.relation, signal, async (client) => {
      const rows: (readonly FetchedCell[] | null)[] = [];
      for (let from = 0; from < asked.keys.length; from += rowsPerStatement) {
        const some = part(asked, from);
        const read = await this.#asked(client, some, signal);
        for (const [i, row] of read.entries()) {
          const one = { ...some, keys: [some.keys[i] as Tuple] };
          rows.push(row?.large === undefined ? (row?.cells ?? null) : await this.#whole(client, one, signal));
        }
      }
      return rows;
    });
  }

  async #asked(client: pg.Client, asked: RowsAsked, signal: AbortSignal): Promise<readonly (Found | null)[]> {
    const { relation, after, columns } = asked;
    const read = await this.#read(client, { relation, after, ...statement(asked) }, signal);
    refuseOtherTypes(relation, columns, read.fields.slice(3));
    return read.rows.map(([, there, large, ...cells]) => {
      if (there !== 't') return null;
      return large === null || large === undefined ? { cells } : { cells, large: large.split(',').map(Number) };
    });
  }

  /**
   * The row of one key with its large values, which are read one after the other: each is the present one or a later one,
   * as with any value that is fetched.
   */
  async #whole(client: pg.Client, asked: RowsAsked, signal: AbortSignal): Promise<readonly FetchedCell[] | null> {
    const { relation, key, keys, columns } = asked;
    const from = table(relation);
    const where = key.map((position, i) => `t.${nameOf(relation, position)} = ${parameter(relation, position, i + 1)}`);
    for (;;) {
      signal.throwIfAborted();
      const [row] = await this.#asked(client, asked, signal);
      if (row === null || row === undefined) return null;
      const cells: FetchedCell[] = [...row.cells];
      let isGone = false;
      for (const i of row.large ?? []) {
        const column = relation.columns[columns[i] as number] as Column;
        const values = keys[0] as Tuple;
        const read = await readLarge(client, { column, from, where: where.join(' AND '), values });
        if (read === 'gone') isGone = true;
        else cells[i] = read;
      }
      if (!isGone) return cells;
    }
  }

  /** Rows in order of their key, as many as requested. */
  range(asked: RangeAsked, signal: AbortSignal): Promise<readonly Tuple[]> {
    const { relation, after, bytes } = asked;
    return this.#guarded(relation, signal, async (client) => {
      for (let rows = asked.rows; ; rows = Math.max(1, Math.floor(rows / 4))) {
        const read = await this.#read(client, { relation, after, ...rangeStatement({ ...asked, rows }) }, signal);
        refuseOtherTypes(
          relation,
          relation.columns.map((_, position) => position),
          read.fields.slice(1),
        );
        const found = read.rows.map(([, ...cells]) => cells);
        const size = found.reduce((sum, row) => sum + row.reduce((all, cell) => all + (cell?.length ?? 0), 0), 0);
        if (size <= bytes || rows === 1) return found;
      }
    });
  }

  async #guarded<T>(relation: Relation, signal: AbortSignal, read: (client: pg.Client) => Promise<T>): Promise<T> {
    const cut = (): void => this.#held.drop();
    signal.addEventListener('abort', cut, { once: true });
    try {
      return await read(await this.#held.connected());
    } catch (error) {
      cut();
      signal.throwIfAborted();
      throw fromPg(error, { connection: this.#access.name, table: relationName(relation) });
    } finally {
      signal.removeEventListener('abort', cut);
    }
  }

  /** The rows, each with the snapshot of the read as its first cell. */
  async #read(client: pg.Client, by: Statement, signal: AbortSignal): Promise<pg.QueryArrayResult<(string | null)[]>> {
    const { text, values, relation, after } = by;
    const query = { text, values, rowMode: 'array' } as unknown as pg.QueryArrayConfig;
    const started = Date.now();
    let reported = false;
    for (let wait = shortestWait; ; wait = Math.min(longestWait, wait * 2)) {
      const read = await client.query<(string | null)[]>(query);
      const first = read.rows[0];
      if (first === undefined || sees(first[0] as string, after)) return read;
      if (!reported && Date.now() - started > tellAfter) {
        reported = true;
        const said = 'a commit that the stream has told is not visible on the source yet (a synchronous standby?)';
        this.#access.log.log('warn', 'commit-not-visible', said, { table: relationName(relation) });
      }
      await sleep(wait, undefined, { signal });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#held[Symbol.asyncDispose]();
  }
}

interface Statement {
  readonly text: string;
  readonly values: unknown[];
  readonly relation: Relation;
  readonly after: readonly number[];
}

function part(asked: RowsAsked, from: number): RowsAsked {
  return { ...asked, keys: asked.keys.slice(from, from + rowsPerStatement) };
}

/** `large`: the places of cells, here null, that have to be read by themselves. */
interface Found {
  readonly cells: Tuple;
  readonly large?: readonly number[];
}

function nameOf(relation: Relation, position: number): string {
  return quoteIdent((relation.columns[position] as Column).name);
}

function parameter(relation: Relation, position: number, number: number): string {
  return `$${number}::${(relation.columns[position] as Column).typeName}`;
}

/**
 * One row for each key, in order: the statement's snapshot, whether the row exists, the places of its values that are
 * too large, its values.
 */
function statement({ relation, key, keys, columns }: RowsAsked): { readonly text: string; readonly values: unknown[] } {
  const values = keys.map((_, n) => {
    const cells = key.map((position, i) => parameter(relation, position, n * key.length + i + 1));
    return `(${[n, ...cells].join(', ')})`;
  });
  const same = key.map((position, i) => `t.${nameOf(relation, position)} = u.k${i}`);
  const limits = columns.map((position) => tooLarge(relation.columns[position] as Column));
  const limited = limits.flatMap((limit, i) => (limit === null ? [] : `CASE WHEN ${limit} THEN '${i}' END`));
  const large = limited.length === 0 ? 'NULL' : `nullif(pg_catalog.concat_ws(',', ${limited.join(', ')}), '')`;
  const wanted = columns.map((position, i) => {
    const value = `t.${nameOf(relation, position)}`;
    const limit = limits[i] ?? null;
    return limit === null ? `, ${value}` : `, CASE WHEN ${limit} THEN NULL ELSE ${value} END`;
  });
  const text = `SELECT pg_catalog.txid_current_snapshot(), t.tableoid IS NOT NULL, ${large}${wanted.join('')}
    FROM (VALUES ${values.join(', ')}) AS u (n, ${key.map((_, i) => `k${i}`).join(', ')})
    LEFT JOIN ${table(relation)} AS t ON ${same.join(' AND ')} ORDER BY u.n`;
  return { text, values: keys.flat() };
}

function table(relation: Relation): string {
  const name = `${quoteIdent(relation.schema)}.${quoteIdent(relation.name)}`;
  return relation.kind === 'partitioned' ? name : `ONLY ${name}`;
}

/** `snapshot` as txid_current_snapshot prints it: xmin:xmax:xip,… with the epoch, which the stream's xids lack. */
export function sees(snapshot: string, xids: readonly number[]): boolean {
  const [, xmax = '0', running = ''] = snapshot.split(':');
  const end = BigInt(xmax);
  const open = new Set(running === '' ? [] : running.split(',').map(BigInt));
  return xids.every((xid) => {
    const full = nearest(BigInt(xid), end);
    return full < end && !open.has(full);
  });
}

/** Xids in use are less than 2^31 apart (manual: "Preventing Transaction ID Wraparound Failures"). */
function nearest(xid: bigint, to: bigint): bigint {
  const full = ((to >> 32n) << 32n) + xid;
  if (full > to + (1n << 31n)) return full - (1n << 32n);
  return full < to - (1n << 31n) ? full + (1n << 32n) : full;
}

/**
 * The text of a value of another type is not the content of the stream's columns. RowDescription gives the type under a
 * domain.
 */
function refuseOtherTypes(relation: Relation, columns: readonly number[], fields: readonly pg.FieldDef[]): void {
  columns.forEach((position, i) => {
    const column = relation.columns[position] as Column;
    if (fields[i]?.dataTypeID === column.baseType) return;
    throw sourceError('PGS2124', `column ${column.name} has another type by now`, {
      where: { table: relationName(relation) },
    });
  });
}
