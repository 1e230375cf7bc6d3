import type pg from 'pg';
import type {
  CopyOffer,
  LentSnapshot,
  SharedCopy,
  SharedTable,
  WorkerNote,
  WorkerStatus,
} from '../../../core/api/shared-copy.ts';
import { formatLsn, type HandoffLsn, parseLsn, type SnapshotLsn } from '../../../core/postgres/lsn.ts';
import { buildOffered } from '../definitions/offered.ts';
import type { Sessions } from '../sessions.ts';
import type { Owner } from '../state.ts';

const mine = 'pipeline = $1 AND sink = $2';
/** Workers that were not heard of for as long are gone. */
const silence = '15 s';

/** A run's copy as the state of the target tells other processes of it. Times are of the target's clock alone. */
export class WorkState implements SharedCopy {
  readonly builders: number;
  readonly #sessions: Sessions;
  readonly #owner: readonly [string, string];

  constructor(sessions: Sessions, { pipeline, sink }: Owner, builders: number) {
    this.builders = builders;
    this.#sessions = sessions;
    this.#owner = [pipeline, sink];
  }

  async open(rate: CopyOffer['rate'], signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#sessions.transaction(async (client) => {
      await client.query(`DELETE FROM pgsluice.work_snapshot WHERE ${mine}`, [...this.#owner]);
      await client.query(`DELETE FROM pgsluice.worker WHERE ${mine} AND seen < clock_timestamp() - interval '1 d'`, [
        ...this.#owner,
      ]);
      await client.query(
        `INSERT INTO pgsluice.work (pipeline, sink, rate, over) VALUES ($1, $2, $3, false)
         ON CONFLICT (pipeline, sink) DO UPDATE SET rate = excluded.rate, over = false`,
        [...this.#owner, rate === null ? null : Math.round(rate)],
      );
    });
  }

  async lend(lent: LentSnapshot, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#query(
      `INSERT INTO pgsluice.work_snapshot (pipeline, sink, standby, name, server, handoff, exact_at, age, ends, ledgers)
       VALUES ($1, $2, $3, $4, $5, $6, $7, $8, clock_timestamp() + $9::float8 * interval '1 ms', $10)
       ON CONFLICT (pipeline, sink, standby) DO UPDATE SET name = excluded.name, server = excluded.server, handoff = excluded.handoff,
         exact_at = excluded.exact_at, age = excluded.age, ends = excluded.ends, ledgers = excluded.ledgers`,
      [
        lent.standby ?? '',
        lent.name,
        lent.server,
        formatLsn(lent.handoff),
        formatLsn(lent.exactAt),
        lent.age?.most ?? null,
        lent.age?.left ?? null,
        lent.ledgers,
      ],
    );
  }

  async takeBack(standby: string | null | 'all'): Promise<void> {
    await this.#query(`DELETE FROM pgsluice.work_snapshot WHERE ${mine} AND ($3 OR standby = $4)`, [
      standby === 'all',
      standby ?? '',
    ]);
  }

  async over(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    await this.#sessions.query(async (client) => {
      if (await exists(client))
        await client.query(`UPDATE pgsluice.work SET over = true WHERE ${mine}`, [...this.#owner]);
    });
  }

  offer(signal: AbortSignal): Promise<CopyOffer | null> {
    signal.throwIfAborted();
    return this.#sessions.query(async (client) => {
      if (!(await exists(client))) return null;
      const { rows } = await client.query<{ offer: string }>(offer, [...this.#owner]);
      return rows[0] === undefined ? null : readOffer(rows[0].offer);
    });
  }

  async reserve(bytes: number): Promise<number> {
    const { rows } = await this.#query<{ wait: string }>(
      `UPDATE pgsluice.work SET paid = greatest(paid, clock_timestamp() - interval '1 s') + $3::float8 / rate * interval '1 s'
       WHERE ${mine} AND rate IS NOT NULL RETURNING extract(epoch FROM paid - clock_timestamp()) * 1000 AS wait`,
      [bytes],
    );
    return Math.max(0, Number(rows[0]?.wait ?? 0));
  }

  build(opens: (what: string) => void, signal: AbortSignal): Promise<string | null> {
    signal.throwIfAborted();
    const [pipeline, sink] = this.#owner;
    return buildOffered(this.#sessions, { pipeline, sink }, opens);
  }

  async note(worker: WorkerNote): Promise<void> {
    await this.#query(
      `INSERT INTO pgsluice.worker (pipeline, sink, id, note, seen) VALUES ($1, $2, $3, $4, clock_timestamp())
       ON CONFLICT (pipeline, sink, id) DO UPDATE SET note = excluded.note, seen = excluded.seen`,
      [worker.id, JSON.stringify(worker)],
    );
  }

  async leave(id: string): Promise<void> {
    await this.#query(`DELETE FROM pgsluice.worker WHERE ${mine} AND id = $3`, [id]);
  }

  workers(): Promise<readonly WorkerStatus[]> {
    return this.#sessions.query(async (client) => {
      if (!(await exists(client))) return [];
      const { rows } = await client.query<{ note: string; seconds: string; silent: string }>(
        `SELECT note, extract(epoch FROM clock_timestamp() - since) AS seconds, extract(epoch FROM clock_timestamp() - seen) AS silent
         FROM pgsluice.worker WHERE ${mine} AND seen > clock_timestamp() - interval '${silence}' ORDER BY since, id`,
        [...this.#owner],
      );
      return rows.map(({ note, seconds, silent }) => ({
        ...(JSON.parse(note) as WorkerNote),
        seconds: Number(seconds),
        silentSeconds: Math.max(0, Number(silent)),
      }));
    });
  }

  #query<T extends pg.QueryResultRow>(sql: string, values: readonly unknown[]): Promise<pg.QueryResult<T>> {
    return this.#sessions.query((client) => client.query<T>(sql, [...this.#owner, ...values]));
  }
}

async function exists(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ there: string }>(
    `SELECT (to_regclass('pgsluice.worker') IS NOT NULL)::text AS there`,
  );
  return rows[0]?.there === 'true';
}

const offer = `
  SELECT json_build_object('rate', w.rate, 'over', w.over,
    'snapshots', (SELECT coalesce(json_agg(json_build_object('standby', nullif(s.standby, ''), 'name', s.name, 'server', s.server,
        'handoff', s.handoff, 'exactAt', s.exact_at, 'ledgers', s.ledgers, 'age', CASE WHEN s.age IS NOT NULL THEN json_build_object(
          'most', s.age, 'left', extract(epoch FROM s.ends - clock_timestamp()) * 1000) END)), '[]')
      FROM pgsluice.work_snapshot s WHERE s.pipeline = w.pipeline AND s.sink = w.sink AND (s.ends > clock_timestamp()) IS NOT FALSE),
    'tables', (SELECT coalesce(json_agg(json_build_object('source', t.source, 'ledger', t.ledger, 'plan', t.plan)), '[]')
      FROM pgsluice.work_table t WHERE t.pipeline = w.pipeline AND t.sink = w.sink AND EXISTS (SELECT FROM pgsluice.work_range r
        WHERE r.pipeline = t.pipeline AND r.sink = t.sink AND r.ledger = t.ledger)))::text AS offer
  FROM pgsluice.work w WHERE ${mine}`;

function readOffer(text: string): CopyOffer {
  const read = JSON.parse(text) as Omit<CopyOffer, 'snapshots'> & {
    readonly snapshots: readonly (Omit<LentSnapshot, 'handoff' | 'exactAt'> & Record<'handoff' | 'exactAt', string>)[];
    readonly tables: readonly SharedTable[];
  };
  const snapshots = read.snapshots.map((lent) => ({
    ...lent,
    handoff: parseLsn(lent.handoff) as HandoffLsn,
    exactAt: parseLsn(lent.exactAt) as SnapshotLsn,
  }));
  return { ...read, snapshots };
}
