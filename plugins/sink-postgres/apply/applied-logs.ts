import { setTimeout as sleep } from 'node:timers/promises';
import { connect, disconnect } from '../../../core/postgres/connect.ts';
import { stateSchema } from '../../../core/postgres/state-schema.ts';
import { type SessionInput, syncCommit } from './session.ts';

const behindQuery = `
  SELECT e.log FROM unnest($3::text[], $4::int8[]) AS e (log, "end")
  WHERE NOT EXISTS (SELECT FROM ${stateSchema}.log l
    WHERE l.pipeline = $1 AND l.sink = $2 AND l.log = e.log AND l.next >= e."end")
  ORDER BY e.log COLLATE "C"`;

/** Milliseconds between two looks. */
const between = 50;

/** Waits until these logs are applied up to here. Returns those that are not when `patience`, milliseconds, is over. */
export async function appliedLogs(
  input: SessionInput,
  ends: ReadonlyMap<string, bigint>,
  patience: number,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const { connection, pipeline, name } = input;
  const deadline = performance.now() + patience;
  const client = await connect(connection, { name, applicationName: `pgsluice ${pipeline} applied`.slice(0, 63) });
  try {
    const { rows: there } = await client.query(
      `SELECT FROM pg_catalog.to_regclass('${stateSchema}.log') AS l WHERE l IS NOT NULL`,
    );
    if (there.length === 0) return [...ends.keys()];
    const values = [pipeline, name, [...ends.keys()], [...ends.values()].map(String)];
    for (;;) {
      const { rows } = await client.query<{ log: string }>(behindQuery, values);
      // Commits of others may have been told with synchronous_commit off.
      if (rows.length === 0) await syncCommit(client, input);
      if (rows.length === 0 || performance.now() > deadline) return rows.map(({ log }) => log);
      await sleep(between, undefined, { signal });
    }
  } finally {
    await disconnect(client);
  }
}
