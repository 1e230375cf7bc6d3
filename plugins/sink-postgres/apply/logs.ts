import type pg from 'pg';
import type { LogClaim, LogStep } from '../../../core/api/logs.ts';
import { connect, disconnect } from '../../../core/postgres/connect.ts';
import { advisoryKey, stateSchema } from '../../../core/postgres/state-schema.ts';
import type { Script } from './round-trip.ts';
import type { SessionInput } from './session.ts';

/** `next`: where a log is to be read on; `claim`: counts the processes that took it over, the last of which may move `next`. */
const definition = `
  SELECT pg_catalog.pg_advisory_xact_lock(${advisoryKey('state schema')});
  CREATE TABLE IF NOT EXISTS ${stateSchema}.log (
    pipeline text NOT NULL,
    sink text NOT NULL,
    log text NOT NULL,
    of text NOT NULL,
    claim int8 NOT NULL,
    next int8,
    updated timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (pipeline, sink, log)
  ) WITH (fillfactor = 10)`;

export async function ensureLogs(client: pg.Client): Promise<void> {
  const { rows } = await client.query<{ there: string }>(
    `SELECT (pg_catalog.to_regclass('${stateSchema}.log') IS NOT NULL)::text AS there`,
  );
  if (rows[0]?.there !== 'true') await client.query(definition);
}

/** Waits for a transaction of whoever has the log now; the row's lock is with it from its first statement on. */
const claimQuery = `
  INSERT INTO ${stateSchema}.log AS l (pipeline, sink, log, of, claim)
  SELECT $1, $2, e.log, e.of, 1 FROM unnest($3::text[], $4::text[]) AS e (log, of) ORDER BY e.log
  ON CONFLICT (pipeline, sink, log) DO UPDATE SET claim = l.claim + 1, updated = now()
  RETURNING log, of, claim, next`;

/** In a session of its own, as the one that applies may be at work. What is told is durable: the commit is a synchronous one. */
export async function claimLogs(
  { connection, pipeline, name }: SessionInput,
  logs: ReadonlyMap<string, string>,
): Promise<ReadonlyMap<string, LogClaim>> {
  const client = await connect(connection, { name, applicationName: `pgsluice ${pipeline} claim`.slice(0, 63) });
  try {
    await client.query('SET synchronous_commit = on');
    const values = [pipeline, name, [...logs.keys()], [...logs.values()]];
    const { rows } = await client.query<{ log: string; of: string; claim: string; next: string | null }>(
      claimQuery,
      values,
    );
    const claims = rows.map(({ log, of, claim, next }): [string, LogClaim] => [
      log,
      { of, claim: BigInt(claim), next: next === null ? null : BigInt(next) },
    ]);
    return new Map(claims);
  } finally {
    await disconnect(client);
  }
}

const stepQuery = `
  WITH given AS MATERIALIZED (
    SELECT * FROM json_to_recordset($3::json) AS g (log text, claim int8, "from" int8, next int8)),
  u AS (UPDATE ${stateSchema}.log l SET next = g.next, updated = now() FROM given g
    WHERE l.pipeline = $1 AND l.sink = $2 AND l.log = g.log AND l.claim = g.claim AND coalesce(l.next, g."from") = g."from"
    RETURNING 1)
  SELECT 1 / ((SELECT count(*) FROM u) = $4::int8)::int`;

/**
 * I4 where several processes apply: compare and set, with the rows. Where a log is not where it should be, or another's by now, the division
 * fails. First in the transaction where that is possible: whoever lost a log then touches no row of whoever has it.
 */
export function writeSteps(
  script: Script,
  { pipeline, name }: { readonly pipeline: string; readonly name: string },
  steps: readonly LogStep[],
): void {
  const given = steps.map(({ log, claim, from, next }) => ({
    log,
    claim: String(claim),
    from: String(from),
    next: String(next),
  }));
  script.own(stepQuery, [pipeline, name, JSON.stringify(given), String(steps.length)]);
}

/** The step of {@link writeSteps} where the batch is a transaction of its own. */
export const behindBegin = 1;
