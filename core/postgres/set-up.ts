import type pg from 'pg';
import { connectionError } from './errors.ts';
import { quoteLiteral } from './quote.ts';
import { sessionSettings } from './session-settings.ts';

export interface SetUpGiven {
  /** Of the connection. */
  readonly name: string;
  /** A second session of the same kind, which the caller of it ends. */
  readonly other: () => Promise<pg.Client>;
}

/**
 * Applies our settings to a session, if the session is ours alone. A pooler sends a backend number of its own, so
 * nothing is set before it is known whether the pooler shares its backends: another client's session would get our
 * settings. Throws PGS2096.
 */
export async function setUp(client: pg.Client, { name, other }: SetUpGiven): Promise<void> {
  const greeted = Number((client as unknown as { processID: number }).processID);
  if ((await settings(client, greeted)) === greeted) return;
  const beside = await other();
  try {
    if (await isShared(client, beside)) throw shared(name);
  } finally {
    await beside.end().catch(() => {});
  }
  await settings(client, null);
}

function shared(name: string): Error {
  return connectionError(
    'PGS2096',
    'a pooler that hands its backends from client to client (pool_mode=transaction or statement) stands in front of the server',
    { where: { connection: name } },
  );
}

/** Applies the settings in the backend of this number only, or in any. Returns the backend's number. */
async function settings(client: pg.Client, only: number | null): Promise<number> {
  const pairs = Object.entries(sessionSettings).map(
    ([setting, value]) => `(${quoteLiteral(setting)}, ${quoteLiteral(value)})`,
  );
  const here = only === null ? 'true' : `pg_catalog.pg_backend_pid() = ${only}`;
  // transaction_timeout is of 17 and later.
  const results = (await client.query(
    `SELECT pg_catalog.set_config(s.name, s.value, false) FROM (VALUES ${pairs.join(', ')}) AS s (name, value) WHERE ${here};
     SELECT pg_catalog.set_config(name, '0', false) FROM pg_catalog.pg_settings WHERE name = 'transaction_timeout' AND ${here};
     SELECT pg_catalog.pg_backend_pid() AS pid`,
  )) as unknown as pg.QueryResult<{ pid: string }>[];
  return Number(results.at(-1)!.rows[0]!.pid);
}

/** A backend that serves both sessions while both are open is shared between them. */
async function isShared(one: pg.Client, other: pg.Client): Promise<boolean> {
  for (let tries = 0; tries < 5; tries++) {
    const before = await backend(one);
    if ((await backend(other)) === before || (await backend(one)) !== before) return true;
  }
  return false;
}

async function backend(client: pg.Client): Promise<string> {
  const { rows } = await client.query<{ pid: string }>('SELECT pg_catalog.pg_backend_pid() AS pid');
  return rows[0]!.pid;
}
