import type pg from 'pg';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PluginContext } from '../../../core/api/context.ts';
import { connect, type ConnectionOptions, disconnect } from '../../../core/postgres/connect.ts';
import { quoteLiteral } from '../../../core/postgres/quote.ts';
import { advisoryKey, ensureStateSchema, stateSchema } from '../../../core/postgres/state-schema.ts';
import { applyError } from './errors.ts';
import { ensureLogs } from './logs.ts';
import { flushedByStandbys } from './standbys.ts';
import { Prepared } from './round-trip.ts';
import { lockHolder } from '../../../core/postgres/advisory-lock.ts';

/** A connection that applies; while it lives no other applies for the same pipeline and sink. */
export interface ApplySession {
  readonly client: pg.Client;
  readonly pid: string;
  /** Triggers and foreign keys act on what we write: the user may not set session_replication_role. */
  readonly enforced: boolean;
  /** A local flush is all that durability needs, and the target tells its flush position. */
  readonly tellsFlush: boolean;
  readonly prepared: Prepared;
  /** `XXX/XXX`, or null when nothing was applied yet. Durable. */
  readonly position: string | null;
}

export interface SessionInput {
  readonly connection: ConnectionOptions;
  readonly pipeline: string;
  readonly name: string;
  readonly context: PluginContext;
  /** Several processes apply at once; what each may write is in {@link claimLogs}. */
  readonly shared?: boolean;
  /** How many standbys must have flushed what counts as durable. */
  readonly waitForStandbys?: number;
}

/**
 * Read committed, as our statements expect; a plan that reads a whole table per batch is never wanted, also when a
 * table was small when the plan was made; rows hidden by row-level security are an error rather than a missing row;
 * the server notices within about a minute when we are gone, so that its lock does not outlive us for long.
 */
const settings = [
  "SET default_transaction_isolation = 'read committed'",
  'SET default_transaction_read_only = off',
  'SET synchronous_commit = off',
  'SET enable_seqscan = off',
  'SET enable_hashjoin = off',
  'SET enable_mergejoin = off',
  'SET jit = off',
  'SET row_security = off',
  'SET tcp_keepalives_idle = 20',
  'SET tcp_keepalives_interval = 10',
  'SET tcp_keepalives_count = 3',
].join('; ');

const lockPatience = 15_000;

/** Connects, takes the lock, reads the position. Throws a PgsluiceError. `previous`: backend of our own to be ended. */
export async function openSession(
  input: SessionInput,
  previous: string | null,
  signal: AbortSignal,
): Promise<ApplySession> {
  const client = await connect(input.connection, {
    name: input.name,
    applicationName: `pgsluice ${input.pipeline} apply`.slice(0, 63),
  });
  try {
    await client.query(settings);
    // Not every platform has it.
    await client.query("SET client_connection_check_interval = '5s'").catch(() => {});
    const pid = await one(client, 'SELECT pg_backend_pid()');
    if (input.shared !== true) await takeLock(client, input, previous, signal);
    await ensureStateSchema(client);
    if (input.shared === true) await ensureLogs(client);
    const enforced = !(await setReplica(client));
    const position = await readPosition(client, input);
    const tellsFlush = (input.waitForStandbys ?? 0) === 0 && (await canTellFlush(client));
    return { client, pid: pid as string, enforced, tellsFlush, prepared: new Prepared(), position };
  } catch (error) {
    await disconnect(client);
    throw error;
  }
}

/**
 * A session of ours whose connection broke may still be executing what it was sent, its COMMIT among it. Only when its
 * lock is gone is the stored position final, and a second apply of the same rows impossible (I4).
 */
async function takeLock(
  client: pg.Client,
  input: SessionInput,
  previous: string | null,
  signal: AbortSignal,
): Promise<void> {
  const key = advisoryKey('apply', input.pipeline, input.name);
  if (previous !== null) await terminate(client, previous);
  const deadline = Date.now() + lockPatience;
  while ((await one(client, `SELECT pg_try_advisory_lock(${key})`)) !== 't') {
    signal.throwIfAborted();
    if (Date.now() > deadline) throw await held(client, input, key);
    await sleep(50, undefined, { signal });
  }
}

/** A pooler may have given us the same backend again: that one has ended what it did. */
async function terminate(client: pg.Client, pid: string): Promise<void> {
  await client.query({
    text: `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE pid = $1 AND pid <> pg_backend_pid() AND usename = current_user AND application_name = current_setting('application_name')`,
    values: [pid],
  });
}

async function held(client: pg.Client, input: SessionInput, key: string): Promise<Error> {
  const { pid, application, address } = (await lockHolder(client, key)) ?? {
    pid: null,
    application: null,
    address: null,
  };
  return applyError(
    'PGS3110',
    `session ${pid ?? '?'} (${application ?? ''}${address === null ? '' : ` from ${address}`}) applies for pipeline ${input.pipeline}, sink ${input.name}`,
    {
      where: { connection: input.name },
      remedy: `Stop the other run; if there is none: SELECT pg_terminate_backend(${pid ?? 'pid'});`,
    },
  );
}

/** True when triggers and foreign keys are off for us. */
async function setReplica(client: pg.Client): Promise<boolean> {
  try {
    await client.query('SET session_replication_role = replica');
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === '42501') return false;
    throw error;
  }
}

/**
 * A synchronous commit that begins now: what the stored position stands for was maybe committed with
 * synchronous_commit off by a run that is gone, and must be durable before anyone relies on it (I1).
 */
async function readPosition(client: pg.Client, input: SessionInput): Promise<string | null> {
  const found = await client.query({
    text: `INSERT INTO ${stateSchema}.position (pipeline, sink) VALUES ($1, $2)
      ON CONFLICT (pipeline, sink) DO UPDATE SET updated = now() RETURNING lsn`,
    values: [input.pipeline, input.name],
    rowMode: 'array',
  });
  await syncCommit(client, input);
  return (found.rows[0] as unknown as [string | null])[0];
}

/** A tiny synchronous commit: when it is answered, every earlier commit of the server is durable, too. */
export async function syncCommit(
  client: pg.Client,
  input: Pick<SessionInput, 'pipeline' | 'name' | 'waitForStandbys'>,
): Promise<void> {
  await client.query(`BEGIN; SET LOCAL synchronous_commit = on;
    UPDATE ${stateSchema}.position SET updated = now()
      WHERE pipeline = ${quoteLiteral(input.pipeline)} AND sink = ${quoteLiteral(input.name)};
    COMMIT`);
  if (input.waitForStandbys !== undefined && input.waitForStandbys > 0)
    await flushedByStandbys(client, { count: input.waitForStandbys, name: input.name });
}

/** Not where synchronous standbys matter (only a synchronous commit waits for them), nor where the server cannot say. */
async function canTellFlush(client: pg.Client): Promise<boolean> {
  try {
    const standbys = await one(
      client,
      "SELECT pg_current_wal_insert_lsn(), pg_current_wal_flush_lsn(), current_setting('synchronous_standby_names')",
      2,
    );
    return standbys === '';
  } catch {
    return false;
  }
}

async function one(client: pg.Client, text: string, column = 0): Promise<string | null> {
  const result = await client.query({ text, rowMode: 'array' });
  return (result.rows[0] as unknown as (string | null)[])[column] ?? null;
}
