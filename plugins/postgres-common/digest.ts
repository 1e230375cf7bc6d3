import type pg from 'pg';
import type { Digest, DigestQuery, DigestReader, DigestSession } from '../../core/api/digest.ts';
import { destroy, disconnect } from './connect.ts';
import { fromPg } from './pg-error.ts';
import { qualified, quoteLiteral } from './quote.ts';

/**
 * Hashes rows inside a database. A row is hashed as the text of ROW(…): output functions of each column, quoted where need be,
 * so columns cannot run into each other and NULL (nothing) is not '' (""). MD5 of its UTF-8 bytes, as two 64-bit
 * halves that are summed as numeric: independent of order, and a row that is there twice counts twice.
 */
export class PostgresDigests implements DigestReader {
  readonly #open: () => Promise<pg.Client>;
  readonly #name: string;

  /** `open` gives connections of {@link connect}, whose settings make the text the same on all servers. */
  constructor(open: () => Promise<pg.Client>, name: string) {
    this.#open = open;
    this.#name = name;
  }

  async open(signal: AbortSignal, snapshot?: string): Promise<DigestSession> {
    signal.throwIfAborted();
    const client = await this.#open();
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      if (snapshot !== undefined) await client.query(`SET TRANSACTION SNAPSHOT ${quoteLiteral(snapshot)}`);
      // Where none was given, the first query takes it.
      const { rows } = await client.query<{ server_encoding: string }>(
        `SELECT current_setting('server_encoding') AS server_encoding`,
      );
      return new PostgresDigestSession(client, this.#name, rows[0]!.server_encoding);
    } catch (error) {
      destroy(client);
      throw fromPg(error, { connection: this.#name });
    }
  }
}

class PostgresDigestSession implements DigestSession {
  readonly #client: pg.Client;
  readonly #name: string;
  readonly #encoding: string;
  /** Per table and key: which of the key's columns have a collation. */
  readonly #collated = new Map<string, readonly boolean[]>();

  constructor(client: pg.Client, name: string, encoding: string) {
    this.#client = client;
    this.#name = name;
    this.#encoding = encoding;
  }

  async digest(query: DigestQuery, signal: AbortSignal): Promise<Digest> {
    const rows = await this.#run(
      query,
      signal,
      `SELECT count(*), coalesce(sum(${half('h', 1)}), 0), coalesce(sum(${half('h', 17)}), 0)
       FROM (SELECT ${this.#hash(query)} AS h ${await this.#from(query, signal)}) s`,
    );
    const [count, high, low] = rows[0]!;
    return { rows: BigInt(count!), high: high!, low: low! };
  }

  async bounds(query: DigestQuery, rows: number, signal: AbortSignal): Promise<readonly (readonly string[])[]> {
    if (query.key.length === 0) return [];
    const key = await this.#key(query, signal);
    const names = key.map((_, i) => `k${i}`);
    const from = await this.#from(query, signal);
    const found = await this.#run(
      query,
      signal,
      `SELECT ${names.map((name) => `${name}::text`).join(', ')} FROM (
         SELECT ${key.map((sql, i) => `${sql} AS k${i}`).join(', ')}, row_number() OVER (ORDER BY ${key.join(', ')}) AS n ${from}
       ) s WHERE n % ${Math.max(1, Math.floor(rows))} = 0 ORDER BY n`,
    );
    return found as readonly string[][];
  }

  async rows(
    query: DigestQuery,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, { readonly hash: string; readonly count: number }>> {
    const hash = this.#hash(query);
    const key = query.key.length === 0 ? hash : query.key.length === 1 ? `(${query.key[0]})::text` : rowText(query.key);
    const found = await this.#run(
      query,
      signal,
      `SELECT ${key} AS k, ${hash} AS h, count(*) ${await this.#from(query, signal)} GROUP BY 1, 2 ORDER BY 1, 2`,
    );
    const map = new Map<string, { hash: string; count: number }>();
    for (const [k, h, count] of found) {
      // A key that is not unique here gives all its rows' hashes together, so any difference shows.
      const before = map.get(k!);
      map.set(k!, {
        hash: before === undefined ? h! : `${before.hash}+${h}`,
        count: (before?.count ?? 0) + Number(count),
      });
    }
    return map;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await disconnect(this.#client);
  }

  #hash(query: DigestQuery): string {
    const text = rowText(query.columns);
    return this.#encoding === 'UTF8' || this.#encoding === 'SQL_ASCII'
      ? `md5(${text})`
      : `md5(convert_to(${text}, 'UTF8'))`;
  }

  async #from(query: DigestQuery, signal: AbortSignal): Promise<string> {
    const conditions = query.where === null ? [] : [`(${query.where})`];
    if (query.after !== null || query.upTo !== null) {
      const key = (await this.#key(query, signal)).join(', ');
      if (query.after !== null) conditions.push(`(${key}) > (${query.after.map(quoteLiteral).join(', ')})`);
      if (query.upTo !== null) conditions.push(`(${key}) <= (${query.upTo.map(quoteLiteral).join(', ')})`);
    }
    const where = conditions.length === 0 ? '' : ` WHERE ${conditions.join(' AND ')}`;
    return `FROM ${query.only ? 'ONLY ' : ''}${tableOf(query)}${where}`;
  }

  /** Key columns with collation "C" where they have one: two servers need not agree on the order of any other. */
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
  async #run(query: DigestQuery, signal: AbortSignal, sql: string): Promise<(string | null)[][]> {
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
      throw fromPg(error, { connection: this.#name, table: `${query.schema}.${query.table}` });
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }
}

function tableOf(query: DigestQuery): string {
  return qualified({ schema: query.schema, name: query.table });
}

function rowText(columns: readonly string[]): string {
  return `ROW(${columns.join(', ')})::text`;
}

/** 64 bits of an MD5 in hex, as a signed bigint; sum of bigint is numeric, so nothing overflows. */
function half(hash: string, from: number): string {
  return `('x' || substr(${hash}, ${from}, 16))::bit(64)::bigint`;
}
