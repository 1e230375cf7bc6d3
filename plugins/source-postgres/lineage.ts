import type pg from 'pg';
import type { Continued, ContinuesQuestion } from '../../core/api/source-control.ts';
import { destroy, disconnect } from '../../core/postgres/connect.ts';
import { formatLsn, parseLsn } from '../../core/postgres/lsn.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import { readIdentity } from './catalog/catalog.ts';
import { readSlotState, whyUnusable } from './control/slot-state.ts';
import { type SourceAccess, open } from './session.ts';
import { streamError } from './stream/errors.ts';

/**
 * Whether the stream can continue at a server that was promoted: its timeline must include ours beyond everything that
 * the sinks have, and it must have the slot. Changes that only the old primary had are in the sinks and nowhere else: a
 * gap, never skipped (I2).
 */
export async function continues(access: SourceAccess, { noted, reached }: ContinuesQuestion): Promise<Continued> {
  const client = await open(access, true);
  try {
    const timeline = await currentTimeline(client);
    const until = endOf(noted.timeline, await historyOf(client, timeline));
    const where = { connection: access.name };
    if (until === null) {
      throw streamError(
        'PGS2150',
        `timeline ${timeline} of the server does not come from timeline ${noted.timeline}, on which this pipeline is`,
        { where },
      );
    }
    if (reached > until) {
      throw streamError(
        'PGS2196',
        `a standby was promoted that had everything up to ${formatLsn(until)} only; the sinks have what the old primary committed up to ${formatLsn(reached)}`,
        { where: { ...where, lsn: formatLsn(until) } },
      );
    }
    await checkSlot(client, access, reached);
    return { identity: { ...(await readIdentity(client)), timeline }, until };
  } catch (error) {
    destroy(client);
    throw fromPg(error, { connection: access.name });
  } finally {
    await disconnect(client);
  }
}

async function currentTimeline(client: pg.Client): Promise<number> {
  const { rows } = await client.query<{ timeline: string }>('IDENTIFY_SYSTEM');
  return Number(rows[0]!.timeline);
}

interface Ended {
  readonly timeline: number;
  readonly at: bigint;
}

/** The timelines before this one, and where each of them ended (manual: TIMELINE_HISTORY). */
async function historyOf(client: pg.Client, timeline: number): Promise<readonly Ended[]> {
  if (timeline === 1) return [];
  const { rows } = await client.query<{ content: string }>(`TIMELINE_HISTORY ${timeline}`);
  return parseHistory(rows[0]!.content);
}

export function parseHistory(text: string): readonly Ended[] {
  return text.split('\n').flatMap((line) => {
    const match = /^\s*(\d+)\s+([0-9A-F]+\/[0-9A-F]+)/i.exec(line);
    return match === null ? [] : [{ timeline: Number(match[1]), at: parseLsn(match[2]!) }];
  });
}

/** Null: the timeline is no ancestor. */
export function endOf(timeline: number, history: readonly Ended[]): bigint | null {
  return history.find((ended) => ended.timeline === timeline)?.at ?? null;
}

async function checkSlot(client: pg.Client, access: SourceAccess, reached: bigint): Promise<void> {
  const { slot } = access;
  const state = await readSlotState(client, slot);
  const where = { connection: access.name, object: slot, lsn: formatLsn(reached) };
  if (state === null) {
    throw streamError(
      'PGS2197',
      `the server that was promoted has no slot "${slot}": what was committed after ${formatLsn(reached)} cannot be had from it as changes`,
      {
        where,
        ...(access.beside === true ? { remedy: 'Run again: the tables that were being copied are copied again.' } : {}),
      },
    );
  }
  const why = whyUnusable(state);
  if (why !== null) throw streamError('PGS2154', `the replication slot "${slot}" is lost: ${why}`, { where });
}
