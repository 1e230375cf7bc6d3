import type pg from 'pg';
import type { Digest, DigestQuery, DigestReader, DigestSession, ShownText } from './digest-query.ts';
import { readOrdered, readSize, sampledBounds } from './digest-bounds.ts';
import { destroy, disconnect } from './connect.ts';
import { fromPg } from './pg-error.ts';
import {
  boundsSql,
  bucketSql,
  fastHash,
  fastProbe,
  type Hash,
  hashOf,
  nameSql,
  rowText,
  sums,
  tableOf,
} from './digest-sql.ts';
import { quoteLiteral } from './quote.ts';

/**
 * Hashes rows inside a database: 128 bits of each row's text, as two halves that are summed. Independent of order; a
 * duplicate row counts twice.
 */
export class PostgresDigests implements DigestReader {
  readonly #open: () => Promise<pg.Client>;
  readonly #name: string;

  /** `open` returns connections of {@link connect}, whose settings make the text the same on all servers. */
  constructor(open: () => Promise<pg.Client>, name: string) {
    this.#open = open;
    this.#name = name;
  }

  async open(signal: AbortSignal, snapshot?: string, longest?: number): Promise<DigestSession> {
    signal.throwIfAborted();
    const client = await this.#open();
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      if (snapshot !== undefined) await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`);
      if (longest !== undefined) await client.query(`SET LOCAL statement_timeout = ${Math.ceil(longest)}`);
      // If no snapshot was given, the first query takes it.
      const { rows } = await client.query<{ encoding: string; fast: string }>(
        `SELECT current_setting('server_encoding') AS encoding, ${fastProbe} AS fast`,
      );
      return new PostgresDigestSession(client, this.#name, rows[0]!);
    } catch (error) {
      destroy(client);
      throw fromPg(error, { connection: this.#name });
    }
  }
}

/** Up to this many rows bounds are exact, above it they come from a sample: a larger sort would spill. */
const exactRows = 500_000;

class PostgresDigestSession implements DigestSession {
  readonly #client: pg.Client;
  readonly #name: string;
  readonly #hash: Hash;
  readonly #encoding: string;
  readonly fast: string;
  /** Per table and key: which of the key's columns have a collation. */
  readonly #collated = new Map<string, readonly boolean[]>();

  constructor(client: pg.Client, name: string, server: { readonly encoding: string; readonly fast: string }) {
    this.#client = client;
    this.#name = name;
    this.#hash = hashOf(server.encoding);
    this.#encoding = server.encoding;
    this.fast = server.fast;
  }

  async digest(query: DigestQuery, signal: AbortSignal): Promise<Digest> {
    const by =
      query.fast === true ? fastHash(this.#encoding, rowText(query.columns)) : { h: this.#rowHash(query), sums };
    // OFFSET keeps the planner from copying the expression into each sum, which would compute it twice per row. Written
    // as a number without quotes it is a cast until constants are folded, and prevents parallel workers as well.
    const rows = await this.#run(
      query,
      signal,
      `SELECT ${by.sums} FROM (SELECT ${by.h} AS h ${await this.#from(query, signal)} OFFSET '0') s`,
    );
    return toDigest(rows[0]!);
  }

  async buckets(query: DigestQuery, count: number, signal: AbortSignal): Promise<ReadonlyMap<number, Digest>> {
    const bucket = bucketSql(query, this.#hash, count);
    const found = await this.#run(
      query,
      signal,
      `SELECT ${sums}, b FROM (SELECT ${this.#rowHash(query)} AS h, ${bucket} AS b ${await this.#from(query, signal)} OFFSET '0') s
       GROUP BY b`,
    );
    return new Map(found.map((row) => [Number(row[3]), toDigest(row)]));
  }

  async estimate(query: DigestQuery, signal: AbortSignal): Promise<number> {
    return (await readSize((sql) => this.#run(query, signal, sql), query)).rows;
  }

  ordered(query: DigestQuery, signal: AbortSignal): Promise<boolean> {
    return query.key.length === 0 ? Promise.resolve(false) : readOrdered((sql) => this.#run(query, signal, sql), query);
  }

  async bounds(query: DigestQuery, rows: number, signal: AbortSignal): Promise<readonly (readonly string[])[]> {
    if (query.key.length === 0) return [];
    const step = Math.max(1, Math.floor(rows));
    const key = await this.#key(query, signal);
    const size = await readSize((sql) => this.#run(query, signal, sql), query);
    if (size.rows > exactRows && query.after === null && query.upTo === null) {
      return sampledBounds((sql) => this.#run(query, signal, sql), { query, key, size, step });
    }
    const names = key.map((_, i) => `k${i}`);
    const from = await this.#from(query, signal);
    const found = await this.#run(
      query,
      signal,
      `SELECT ${names.map((name) => `${name}::text`).join(', ')} FROM (
         SELECT ${key.map((sql, i) => `${sql} AS k${i}`).join(', ')}, row_number() OVER (ORDER BY ${key.join(', ')}) AS n ${from}
       ) s WHERE n % ${step} = 0 ORDER BY n`,
    );
    return found as readonly string[][];
  }

  async rows(
    query: DigestQuery,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, { readonly hash: string; readonly count: number }>> {
    const name = nameSql(query, this.#hash);
    const found = await this.#run(
      query,
      signal,
      `SELECT ${name} AS k, ${this.#rowHash(query)} AS h, count(*) ${await this.#from(query, signal)} GROUP BY 1, 2 ORDER BY 1, 2`,
    );
    const map = new Map<string, { hash: string; count: number }>();
    for (const [k, h, count] of found) {
      // If the key is not unique here, the hashes of all its rows are combined, so any difference shows.
      const before = map.get(k!);
      map.set(k!, {
        hash: before === undefined ? h! : `${before.hash}+${h}`,
        count: (before?.count ?? 0) + Number(count),
      });
    }
    return map;
  }

  async fetch(
    query: DigestQuery,
    keys: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly (readonly (string | null)[])[]> {
    const columns = query.columns.map((column) => `(${column})::text`).join(', ');
    return this.#run(query, signal, `SELECT ${columns} ${await this.#named(query, keys, signal)}`);
  }

  async values(
    query: DigestQuery,
    { names, most }: { readonly names: readonly string[]; readonly most: number },
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, readonly (ShownText | null)[]>> {
    const shown = new Map<string, (ShownText | null)[]>();
    if (query.columns.length === 0) return shown;
    const columns = query.columns.map((column, i) => `(${column})::text AS c${i}`).join(', ');
    // One row per value: with three result columns per table column, a wide table would exceed the limit of a result.
    const found = await this.#run(
      query,
      signal,
      `SELECT r.k, v.i, left(v.t, ${Math.floor(most)}), length(v.t), ${this.#hash('v.t')}
       FROM (SELECT DISTINCT ON (k) * FROM (
         SELECT ${nameSql(query, this.#hash)} AS k, ${columns} ${await this.#named(query, names, signal)}) n) r
       CROSS JOIN LATERAL (VALUES ${query.columns.map((_, i) => `(${i}, r.c${i})`).join(', ')}) AS v (i, t)`,
    );
    for (const [name, at, start, characters, hash] of found) {
      let row = shown.get(name!);
      if (row === undefined) shown.set(name!, (row = query.columns.map(() => null)));
      row[Number(at)] = start === null ? null : { start: start!, characters: Number(characters), hash: hash! };
    }
    return shown;
  }

  async gone(query: DigestQuery, signal: AbortSignal): Promise<boolean> {
    // pg_class is read as of the snapshot, the function returns the present state.
    const rows = await this.#run(
      query,
      signal,
      `SELECT FROM pg_class WHERE oid = to_regclass(${quoteLiteral(tableOf(query))}) AND relfilenode = coalesce(pg_relation_filenode(oid), 0)`,
    );
    return rows.length === 0;
  }

  async identity(signal: AbortSignal): Promise<string> {
    const rows = await this.#run(
      null,
      signal,
      `SELECT system_identifier, (SELECT oid FROM pg_database WHERE datname = current_database()) FROM pg_control_system()`,
    );
    return rows[0]!.join('/');
  }

  async share(): Promise<string> {
    const { rows } = await this.#client.query<{ name: string }>('SELECT pg_export_snapshot() AS name');
    return rows[0]!.name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disconnect(this.#client);
  }

  #rowHash(query: DigestQuery): string {
    return this.#hash(rowText(query.columns));
  }

  async #from(query: DigestQuery, signal: AbortSignal): Promise<string> {
    const conditions = query.where === null ? [] : [`(${query.where})`];
    if (query.after !== null || query.upTo !== null)
      conditions.push(...boundsSql(query, await this.#key(query, signal)));
    if (query.buckets !== undefined) {
      const { count, only } = query.buckets;
      conditions.push(`${bucketSql(query, this.#hash, count)} = ANY ('{${only.join(',')}}'::int[])`);
    }
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    return `FROM ${query.only ? 'ONLY ' : ''}${tableOf(query)}${where}`;
  }

  async #named(query: DigestQuery, names: readonly string[], signal: AbortSignal): Promise<string> {
    const from = await this.#from(query, signal);
    const named = `${nameSql(query, this.#hash)} = ANY (ARRAY[${names.map(quoteLiteral).join(', ')}]::text[])`;
    return `${from} ${from.includes(' WHERE ') ? 'AND' : 'WHERE'} ${named}`;
  }

  /** Key columns with collation "C" if they have one: for other orders two servers need not agree. */
  async #key(query: DigestQuery, signal: AbortSignal): Promise<readonly string[]> {
    const id = `${tableOf(query)} ${query.key.join(', ')}`;
    let collated = this.#collated.get(id);
    if (collated === undefined) {
      const found = await this.#run(
        query,
        signal,
        `SELECT ${query.key.map((_, i) => `(pg_typeof(k${i})::oid IN (SELECT oid FROM pg_type WHERE typcollation <> 0))`).join(', ')}
         FROM (SELECT 1) one LEFT JOIN (SELECT ${query.key.map((sql, i) => `${sql} AS k${i}`).join(', ')}
                                        FROM ${tableOf(query)} LIMIT 0) t ON true`,
      );
      collated = found[0]!.map((value) => value === 't');
      this.#collated.set(id, collated);
    }
    return query.key.map((sql, i) => (collated[i] === true ? `(${sql}) COLLATE "C"` : sql));
  }

  /** Aborting cuts the connection, which ends the query on the server at its next write. */
  async #run(query: DigestQuery | null, signal: AbortSignal, sql: string): Promise<(string | null)[][]> {
    signal.throwIfAborted();
    const abort = (): void => destroy(this.#client);
    signal.addEventListener('abort', abort, { once: true });
    try {
      const { rows } = await this.#client.query<(string | null)[]>({
        text: sql,
        rowMode: 'array',
      } as unknown as pg.QueryArrayConfig);
      return rows;
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const table = query === null ? {} : { table: `${query.schema}.${query.table}` };
      throw fromPg(error, { connection: this.#name, ...table });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}

function toDigest(row: readonly (string | null)[]): Digest {
  return { rows: BigInt(row[0]!), high: row[1]!, low: row[2]! };
}
