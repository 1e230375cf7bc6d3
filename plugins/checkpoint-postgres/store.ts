import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import type { CheckpointMap, CheckpointStore, Json } from '../../core/api/checkpoint.ts';
import type { PluginContext } from '../../core/api/context.ts';
import { type ConnectionOptions, connect, disconnect } from '../../core/postgres/connect.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import type { Host } from '../../core/postgres/hosts.ts';
import { readTarget } from '../../core/postgres/target.ts';
import { advisoryKey, ensureStateSchema, stateSchema } from '../../core/postgres/state-schema.ts';
import { checkpointPostgresError } from './errors.ts';
import { lockHolder } from '../../core/postgres/advisory-lock.ts';

/** A killed run's session ends a moment after it; a new run waits this long for the lock, in milliseconds. */
const patience = 3000;

const sessionSettings = `SET synchronous_commit = on; SET default_transaction_read_only = off;
  SET tcp_keepalives_idle = 20; SET tcp_keepalives_interval = 10; SET tcp_keepalives_count = 3`;

const saveQuery = `WITH gone AS (
    DELETE FROM ${stateSchema}.checkpoint WHERE pipeline = $1 AND key = ANY ($2::text[]))
  INSERT INTO ${stateSchema}.checkpoint (pipeline, key, value)
  SELECT $1, k, v::jsonb FROM unnest($3::text[], $4::text[]) AS u(k, v)
  ON CONFLICT (pipeline, key) DO UPDATE SET value = excluded.value, updated = now()`;

/** Where the keys of the second map begin. */
const besidePrefix = 'beside/';

/** Core's state in a table. One connection does everything; the lock is bound to it. */
export class PostgresCheckpoint implements CheckpointStore {
  readonly #connection: ConnectionOptions;
  readonly #context: PluginContext;
  readonly #key: string;
  #client: pg.Client | null = null;
  #locked = false;
  #shared = false;
  #ensured = false;
  /** The calls so far: one statement at a time on one connection. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(connection: ConnectionOptions, context: PluginContext) {
    this.#connection = connection;
    this.#context = context;
    this.#key = advisoryKey('run', context.pipeline);
  }

  /** A loopback address or a socket means another server on another machine. */
  get named(): string {
    const { hosts, database } = readTarget(this.#connection.url, this.#connection, 'checkpoint');
    const local = ({ name }: Host) => name === 'localhost' || name === '::1' || /^(127\.|\/)/.test(name);
    const names = hosts.map(({ name, port }) => `${name}:${port}`).join(',');
    return `${hosts.some(local) ? `${hostname()} ` : ''}${names}/${database}`;
  }

  /** Null if the server does not identify itself. */
  place(): Promise<string | null> {
    return this.#inTurn(async (client) => {
      const may = await rows(client, `SELECT has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')`);
      if (may[0]?.[0] !== 't') return null;
      const found = await rows(
        client,
        'SELECT system_identifier, pg_catalog.current_database() FROM pg_catalog.pg_control_system()',
      );
      return (found[0] as string[]).join(' ');
    });
  }

  lock(signal: AbortSignal): Promise<void> {
    return this.#lock('alone', signal);
  }

  share(signal: AbortSignal): Promise<void> {
    return this.#lock('shared', signal);
  }

  #lock(how: 'alone' | 'shared', signal: AbortSignal): Promise<void> {
    return this.#inTurn(async (client) => {
      const deadline = Date.now() + patience;
      this.#shared = how === 'shared';
      while (!(await this.#tryLock(client))) {
        signal.throwIfAborted();
        if (Date.now() > deadline) throw await this.#refused(client, 'PGS6050');
        await sleep(100, undefined, { signal });
      }
      this.#locked = true;
    });
  }

  load(): Promise<ReadonlyMap<string, Json>> {
    return this.#read('');
  }

  /** Each entry is a row: writing some entries touches no other. */
  beside(): CheckpointMap {
    return {
      load: () => this.#read(besidePrefix),
      save: (entries) => this.save(new Map([...entries].map(([key, value]) => [`${besidePrefix}${key}`, value]))),
    };
  }

  #read(prefix: '' | typeof besidePrefix): Promise<ReadonlyMap<string, Json>> {
    return this.#inTurn(async (client) => {
      // Reading (`status`) creates nothing: without the table there is no state.
      const exists = await rows(client, `SELECT pg_catalog.to_regclass('${stateSchema}.checkpoint') IS NOT NULL`);
      if (exists[0]?.[0] !== 't') return new Map<string, Json>();
      const found = await rows(
        client,
        `SELECT pg_catalog.substr(key, $2::int4), value FROM ${stateSchema}.checkpoint
         WHERE pipeline = $1 AND pg_catalog.starts_with(key, '${besidePrefix}') = $3::bool`,
        [this.#context.pipeline, prefix.length + 1, prefix !== ''],
      );
      return new Map(found.map(([key, value]) => [key as string, JSON.parse(value as string) as Json]));
    });
  }

  save(entries: ReadonlyMap<string, Json>): Promise<void> {
    return this.#inTurn(async (client) => {
      if (entries.size === 0) return;
      if (!this.#ensured) await ensureStateSchema(client);
      this.#ensured = true;
      const kept = [...entries].filter(([, value]) => value !== null);
      const gone = [...entries].filter(([, value]) => value === null).map(([key]) => key);
      await rows(client, saveQuery, [
        this.#context.pipeline,
        gone,
        kept.map(([key]) => key),
        kept.map(([, value]) => JSON.stringify(value)),
      ]);
    });
  }

  remove(): Promise<void> {
    return this.#inTurn(async (client) => {
      const exists = await rows(client, `SELECT pg_catalog.to_regclass('${stateSchema}.checkpoint') IS NOT NULL`);
      if (exists[0]?.[0] !== 't') return;
      await rows(client, `DELETE FROM ${stateSchema}.checkpoint WHERE pipeline = $1`, [this.#context.pipeline]);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#last.catch(() => {});
    if (this.#client !== null) await disconnect(this.#client);
    this.#client = null;
    this.#locked = false;
  }

  #inTurn<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const next = this.#last
      .catch(() => {})
      .then(() => this.#connected())
      .then(work)
      .catch((error: unknown) => {
        if (isAbort(error)) throw error;
        throw fromPg(error, { connection: 'checkpoint' }, this.#context.debugValues);
      });
    this.#last = next;
    return next;
  }

  /** The connection; a broken one is opened again, and the lock taken again, which must still be free. */
  async #connected(): Promise<pg.Client> {
    if (this.#client !== null) return this.#client;
    const client = await connect(this.#connection, {
      name: 'checkpoint',
      applicationName: `pgsluice ${this.#context.pipeline}`.slice(0, 63),
    });
    try {
      await client.query(sessionSettings);
      if (this.#locked && !(await this.#tryLock(client))) throw await this.#refused(client, 'PGS6051');
    } catch (error) {
      await disconnect(client);
      throw error;
    }
    const forget = () => {
      if (this.#client === client) this.#client = null;
    };
    client.once('end', forget);
    client.once('error', forget);
    this.#client = client;
    return client;
  }

  async #tryLock(client: pg.Client): Promise<boolean> {
    const take = `pg_try_advisory_lock${this.#shared ? '_shared' : ''}`;
    return (await rows(client, `SELECT pg_catalog.${take}(${this.#key})`))[0]?.[0] === 't';
  }

  async #refused(client: pg.Client, code: 'PGS6050' | 'PGS6051'): Promise<Error> {
    const holder = await lockHolder(client, this.#key);
    const from = holder?.address ?? 'a local connection';
    const who = holder === null ? 'another session' : `session ${holder.pid} (${holder.application}, from ${from})`;
    return checkpointPostgresError(code, `pipeline ${this.#context.pipeline} is held by ${who}`, {
      where: { connection: 'checkpoint' },
      ...(holder && { remedy: `Stop that run; if it hangs: SELECT pg_terminate_backend(${holder.pid});` }),
    });
  }
}

async function rows(client: pg.Client, text: string, values: unknown[] = []): Promise<(string | null)[][]> {
  const result = await client.query({ text, values, rowMode: 'array' });
  return result.rows as unknown as (string | null)[][];
}

const isAbort = (error: unknown) => error instanceof Error && error.name === 'AbortError';
