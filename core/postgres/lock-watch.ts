import type pg from 'pg';
import type { Logger } from '../base/logger.ts';
import { disconnect } from './connect.ts';

export interface LockWatchInput {
  /** A connection for one look. */
  readonly open: () => Promise<pg.Client>;
  /** application_name of the sessions to look at. */
  readonly application: string;
  /** Which server, in words: `source`, `target`. */
  readonly side: string;
  readonly log: Logger;
  /** Looks are made only while this is true. */
  readonly when?: () => boolean;
  /** Milliseconds between looks; default 2 s. */
  readonly every?: number;
}

export interface LockWatch {
  stop(): Promise<void>;
}

/** Our sessions that wait for a lock, and the sessions that hold it or precede ours in its queue. */
const select = `
  SELECT a.pid::text AS pid, coalesce(format('%I.%I', n.nspname, c.relname), l.locktype) AS what, l.mode,
         (SELECT string_agg(format('pid %s (%s, %s)', b, coalesce(nullif(h.application_name, ''), 'no name'), h.state), ', ')
          FROM unnest(pg_blocking_pids(a.pid)) AS b LEFT JOIN pg_stat_activity h ON h.pid = b) AS holders
  FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid AND NOT l.granted
  LEFT JOIN pg_class c ON c.oid = l.relation AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE a.application_name IN ($1, 'pgsluice pg_dump') AND a.datname = current_database() AND cardinality(pg_blocking_pids(a.pid)) > 0`;

/**
 * Logs which sessions ours wait for. A lock is waited for without a limit, as its holder may have a good reason, but
 * the wait is logged, once per wait. A failed look is repeated at the next turn.
 */
export function watchLocks(input: LockWatchInput): LockWatch {
  const reported = new Set<string>();
  let running: Promise<void> | null = null;
  const timer = setInterval(() => {
    if (input.when?.() === false) return;
    running ??= look(input, reported)
      .catch(() => {})
      .finally(() => (running = null));
  }, input.every ?? 2000);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}

async function look(input: LockWatchInput, reported: Set<string>): Promise<void> {
  const client = await input.open();
  try {
    const { rows } = await client.query<Record<'pid' | 'what' | 'mode' | 'holders', string>>(select, [
      input.application,
    ]);
    for (const { pid, what, mode, holders } of rows) {
      const key = `${pid} ${what} ${mode} ${holders}`;
      if (reported.has(key)) continue;
      reported.add(key);
      const message = `waits on the ${input.side} for a lock (${mode}) on ${what}, held by ${holders}`;
      input.log.log('warn', 'lock-wait', message, { side: input.side, object: what, holders });
    }
  } finally {
    await disconnect(client);
  }
}
