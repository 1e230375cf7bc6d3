import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import type { LocalServer } from '../../core/servers/local-server.ts';
import { pipelineFile } from './cli.ts';
import { database, ownServer, server as shared, type TestDatabase } from './servers.ts';
import { standbyOf, standbySlot } from './standby.ts';

/** A primary with a standby, a database `shop` on both, a target elsewhere, and a pipeline file that names both servers. */
export interface Failover {
  readonly primary: LocalServer;
  readonly standby: LocalServer;
  readonly target: TestDatabase;
  readonly file: string;
  /** The name of slot and publication. */
  readonly slot: string;
}

export interface FailoverGiven {
  readonly major: number;
  /** The standby keeps a copy of the slot. */
  readonly synced: boolean;
  /** Nothing reaches the pipeline that the standby has not. */
  readonly waits: boolean;
  readonly schema: string;
  /** Options of `snapshot`. */
  readonly snapshot?: string;
}

export async function failoverPair({ major, synced, waits, schema, snapshot = '' }: FailoverGiven): Promise<Failover> {
  const primary = await ownServer(major, { wal_keep_size: '256MB' });
  await primary.query('CREATE DATABASE shop');
  await primary.query(schema, 'shop');
  const standby = await standbyOf(primary, { hot_standby_feedback: 'on' });
  if (waits) {
    await primary.query(`ALTER SYSTEM SET synchronized_standby_slots = '${standbySlot}'`);
    await primary.query('SELECT pg_reload_conf()');
  }
  const target = await database(await shared(major), 'dst');
  const name = `shop_${randomBytes(3).toString('hex')}`;
  const hosts = `127.0.0.1:${primary.port},127.0.0.1:${standby.port}`;
  const file = await pipelineFile(`pipeline: ${name}
source:
  plugin: postgres
  url: "postgres://postgres:local-only@${hosts}/shop?target_session_attrs=read-write"
  ${synced ? 'slot: { failover: true }' : ''}
  snapshot: { ${snapshot} }
sinks: [{ plugin: postgres, url: "${target.url}" }]
`);
  return { primary, standby, target, file, slot: `pgsluice_${name}` };
}

/**
 * Until a promotion of the standby would bring the slot along. Switched on only now: while there is nothing to copy, the worker that
 * copies slots looks every 30 seconds.
 */
export async function slotInStep({ standby, slot }: Failover): Promise<void> {
  await standby.query('ALTER SYSTEM SET sync_replication_slots = on');
  await standby.query('SELECT pg_reload_conf()');
  for (let tries = 0; ; tries++) {
    const rows = await standby.query(
      `SELECT FROM pg_replication_slots WHERE slot_name = '${slot}' AND synced AND NOT temporary`,
    );
    if (rows.length > 0) return;
    assert.ok(tries < 1200, 'the slot did not come into step');
    await sleep(100);
  }
}

/** Writes one small transaction after the other, wherever it may; what it was told is committed is in `committed`. */
export class Writer {
  readonly #servers: readonly LocalServer[];
  #stopped = false;
  readonly done: Promise<void>;
  committed = 0;

  constructor(servers: readonly LocalServer[], pauseMs: number) {
    this.#servers = servers;
    this.done = this.#write(pauseMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.done;
  }

  async #write(pauseMs: number): Promise<void> {
    let client: pg.Client | null = null;
    for (let n = 0; !this.#stopped; n++) {
      try {
        client ??= await this.#connect();
        await client.query(
          `INSERT INTO t (v) VALUES ('w${n}'); UPDATE t SET v = v || 'u' WHERE id = (SELECT max(id) - ${n % 7} FROM t)`,
        );
        this.committed++;
        await sleep(pauseMs);
      } catch {
        await client?.end().catch(() => {});
        client = null;
        await sleep(50);
      }
    }
    await client?.end().catch(() => {});
  }

  async #connect(): Promise<pg.Client> {
    for (const server of this.#servers) {
      const client = new pg.Client({ connectionString: server.url('shop') });
      client.on('error', () => {});
      try {
        await client.connect();
        const { rows } = await client.query<{ standby: boolean }>('SELECT pg_is_in_recovery() AS standby');
        if (rows[0]!.standby === false) return client;
      } catch {
        // The next one.
      }
      await client.end().catch(() => {});
    }
    throw new Error('nobody takes writes');
  }
}

export async function rowsOf(on: { query: LocalServer['query'] }, db?: string): Promise<string> {
  const [row] = await on.query<{ rows: string }>(
    `SELECT count(*) || ' ' || coalesce(md5(string_agg(id || v, ',' ORDER BY id)), '') AS rows FROM t`,
    db,
  );
  return row!.rows;
}
