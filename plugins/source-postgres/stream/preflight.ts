import type pg from 'pg';
import { formatLsn, parseLsn } from '../../../core/postgres/lsn.ts';
import type { SourceIdentity, StreamStart } from '../../../core/api/source.ts';
import { readSlotState, whyUnusable } from '../control/slot-state.ts';
import { streamError } from './errors.ts';

export interface SlotQuestion {
  readonly slot: string;
  readonly publications: readonly string[];
  readonly start: StreamStart;
  /** Name of the connection in errors. */
  readonly name: string;
}

export interface ServerFacts {
  /** server_version_num of the server that answered, which may be newer than at the slot's creation. */
  readonly version: number;
  /** Milliseconds; 0: no limit. */
  readonly walSenderTimeout: number;
  /** server_encoding is SQL_ASCII: text arrives unchecked. */
  readonly unchecked: boolean;
}

/**
 * Everything that must hold before a stream may start, on the replication connection itself, so that the checked server
 * is the one that streams: the same system, the same slot, nothing lost between (design: slot identity).
 */
export async function preflight(client: pg.Client, question: SlotQuestion): Promise<ServerFacts> {
  await checkSystem(client, question);
  const facts = await readFacts(client);
  await checkSlot(client, question);
  await checkPublications(client, question);
  return facts;
}

async function checkSystem(client: pg.Client, question: SlotQuestion): Promise<void> {
  const [system] = (await client.query<Record<string, string>>('IDENTIFY_SYSTEM')).rows;
  const identity: SourceIdentity = question.start.identity;
  const differences = [
    ['system identifier', identity.systemId, system?.['systemid']],
    ['database', identity.database, system?.['dbname']],
  ].filter(([, noted, found]) => noted !== found);
  if (differences.length === 0) {
    const timeline = Number(system?.['timeline']);
    if (timeline === identity.timeline) return;
    throw streamError('PGS2198', `the source is on timeline ${timeline} instead of ${identity.timeline}`, {
      where: { connection: question.name },
    });
  }
  const words = differences.map(([what, noted, found]) => `${what} ${found} instead of ${noted}`);
  throw streamError('PGS2150', `this is not the source that the slot was made on: ${words.join(', ')}`, {
    where: { connection: question.name },
  });
}

async function readFacts(client: pg.Client): Promise<ServerFacts> {
  const { rows } = await client.query<Record<string, string>>(
    `SELECT name, setting FROM pg_catalog.pg_settings
      WHERE name IN ('server_version_num', 'wal_sender_timeout', 'server_encoding')`,
  );
  const settings = new Map(rows.map((row) => [row['name'], row['setting'] as string]));
  return {
    version: Number(settings.get('server_version_num')),
    walSenderTimeout: Number(settings.get('wal_sender_timeout') ?? '0'),
    unchecked: settings.get('server_encoding') === 'SQL_ASCII',
  };
}

async function checkSlot(client: pg.Client, { slot, start, name }: SlotQuestion): Promise<void> {
  const where = { connection: name, object: slot };
  const found = await readSlotState(client, slot);
  if (found === null) throw streamError('PGS2151', `the replication slot "${slot}" does not exist`, { where });
  if (found.plugin !== 'pgoutput' || found.database !== start.identity.database) {
    const kind = `${found.plugin ?? 'a physical slot'}, database ${found.database ?? 'none'}`;
    throw streamError('PGS2152', `the replication slot "${slot}" is not ours (${kind})`, { where });
  }
  const why = whyUnusable(found);
  if (why !== null) throw streamError('PGS2154', `the replication slot "${slot}" is lost: ${why}`, { where });
  if (found.activePid !== null) {
    throw streamError('PGS2153', `the replication slot "${slot}" is in use by PID ${found.activePid}`, { where });
  }
  const confirmed = parseLsn(found.confirmed ?? '0/0');
  const noted = start.acknowledged === null || start.acknowledged < start.from ? start.from : start.acknowledged;
  if (confirmed > noted) {
    throw streamError(
      'PGS2156',
      `the slot "${slot}" was confirmed up to ${formatLsn(confirmed)}, the pipeline only up to ${formatLsn(noted)}`,
      { where: { ...where, lsn: formatLsn(noted) } },
    );
  }
}

async function checkPublications(client: pg.Client, { publications, name }: SlotQuestion): Promise<void> {
  const { rows } = await client.query<Record<string, string>>('SELECT pubname FROM pg_catalog.pg_publication');
  const there = new Set(rows.map((row) => row['pubname']));
  const missing = publications.filter((publication) => !there.has(publication));
  if (missing.length === 0) return;
  throw streamError('PGS2155', `the publication "${missing.join('", "')}" does not exist`, {
    where: { connection: name, object: missing[0] as string },
  });
}
