import type pg from 'pg';
import type { PluginContext } from '../../core/api/context.ts';
import { connect, destroy, disconnect } from '../../core/postgres/connect.ts';
import { type LockWatch, watchLocks } from '../../core/postgres/lock-watch.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import type { PostgresSinkOptions } from './options.ts';

/** An index build gets at least this much, in kB: the server's default of 64 MB makes large sorts spill. */
const leastBuildMemory = 256 * 1024;

/** What a session of the target may do; asked once. */
export interface Powers {
  readonly version: number;
  readonly superuser: boolean;
  /** session_replication_role may be set: triggers and foreign keys do not act during the copy. */
  readonly replica: boolean;
}

/**
 * Open connections to the target, as many as callers work at the same time. A broken one is closed, not reused. Every
 * one has synchronous_commit off: a step that must be durable before it counts sets it on in its transaction, which
 * flushes everything before it, too.
 */
export class Sessions {
  readonly #options: PostgresSinkOptions;
  readonly #context: PluginContext;
  readonly #idle: pg.Client[] = [];
  #powers: Promise<Powers> | null = null;
  #busy = 0;
  #locks: LockWatch | null = null;

  constructor(options: PostgresSinkOptions, context: PluginContext) {
    this.#options = options;
    this.#context = context;
  }

  get name(): string {
    return this.#context.name;
  }

  /**
   * Runs `work` on a connection of its own. An error leaves no transaction open; errors of pg are converted to ours.
   */
  async query<T>(work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = this.#idle.pop() ?? (await this.#open());
    this.#locks ??= this.#watch();
    this.#busy++;
    try {
      const result = await work(client);
      this.#idle.push(client);
      return result;
    } catch (error) {
      await this.#afterFailure(client);
      // Not from the server: a broken stream of frames, a requested stop.
      if (error instanceof RangeError || (error as Error).name === 'AbortError') throw error;
      throw fromPg(error, { connection: this.name }, this.#context.debugValues);
    } finally {
      this.#busy--;
    }
  }

  /** `work` in one transaction. */
  transaction<T>(work: (client: pg.Client) => Promise<T>, durable = false): Promise<T> {
    return this.query(async (client) => {
      await client.query(durable ? 'BEGIN; SET LOCAL synchronous_commit = on' : 'BEGIN');
      const result = await work(client);
      await client.query('COMMIT');
      return result;
    });
  }

  powers(): Promise<Powers> {
    this.#powers ??= this.query(readPowers).catch((error: unknown) => {
      this.#powers = null;
      throw error;
    });
    return this.#powers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#locks?.stop();
    await Promise.all(this.#idle.splice(0).map((client) => disconnect(client)));
  }

  #connect(): Promise<pg.Client> {
    return connect(this.#options, { name: this.name, applicationName: `pgsluice ${this.#context.pipeline}` });
  }

  #watch(): LockWatch {
    const { pipeline, log } = this.#context;
    const application = `pgsluice ${pipeline}`;
    return watchLocks({ open: () => this.#connect(), application, side: 'target', log, when: () => this.#busy > 0 });
  }

  async #open(): Promise<pg.Client> {
    const client = await this.#connect();
    try {
      await client.query(
        `SET synchronous_commit = off; SET check_function_bodies = off; SET row_security = off;
         SET client_min_messages = warning; SET tcp_keepalives_idle = 30; SET tcp_keepalives_interval = 10;
         SET tcp_keepalives_count = 3`,
      );
      await client.query(buildMemory(this.#options.maintenance_work_mem));
      // 42501 if the user is no superuser and has no grant for it (15 and later): triggers are then disabled one by
      // one.
      await client.query('SET session_replication_role = replica').catch((error: { code?: string }) => {
        if (error.code !== '42501') throw error;
      });
      return client;
    } catch (error) {
      destroy(client);
      throw fromPg(error, { connection: this.name });
    }
  }

  async #afterFailure(client: pg.Client): Promise<void> {
    try {
      await client.query('ROLLBACK');
      this.#idle.push(client);
    } catch {
      destroy(client);
    }
  }
}

function buildMemory(bytes: number | undefined): string {
  const wanted =
    bytes === undefined ? `GREATEST(setting::bigint, ${leastBuildMemory})` : String(Math.ceil(bytes / 1024));
  return `SELECT set_config('maintenance_work_mem', (${wanted})::text || 'kB', false)
          FROM pg_catalog.pg_settings WHERE name = 'maintenance_work_mem'`;
}

async function readPowers(client: pg.Client): Promise<Powers> {
  const { rows } = await client.query<{ version: string; superuser: string; role: string }>(
    `SELECT current_setting('server_version_num') AS version, current_setting('is_superuser') AS superuser,
            current_setting('session_replication_role') AS role`,
  );
  const row = rows[0]!;
  return { version: Number(row.version), superuser: row.superuser === 'on', replica: row.role === 'replica' };
}
