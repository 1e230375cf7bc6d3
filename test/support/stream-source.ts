import type { Change, StreamBatch } from '../../core/api/change.ts';
import { parseLsn } from '../../core/postgres/lsn.ts';
import type { CommitLsn, ResumePoint } from '../../core/postgres/lsn.ts';
import type { Relation } from '../../core/postgres/relation.ts';
import type { ChangeStream, SourceIdentity, StreamItem } from '../../core/api/source.ts';
import { openStream, type OpenStreamInput } from '../../plugins/source-postgres/stream/open.ts';
import { relationFrom } from '../../plugins/source-postgres/stream/relation-of.ts';
import type { WireRelation } from '../../plugins/source-postgres/stream/wire.ts';
import { database, type TestDatabase, type TestServer } from './servers.ts';

/** A description that needs no catalog: good enough where only the stream is looked at. */
export function describeBare(wire: WireRelation, before: Relation | null): Promise<Relation> {
  if (before !== null) return Promise.resolve(before);
  const column = {
    typeName: 'text',
    typeKind: 'base',
    baseType: 25,
    notNull: false,
    generated: 'never',
    identity: 'never',
    binarySafe: false,
  } as const;
  const columns = wire.columns.map(({ type }) => ({ ...column, baseType: type }));
  return Promise.resolve(relationFrom(wire, { kind: 'table', columns, primaryKey: [] }));
}

export const silent = {
  log: { child: () => silent.log, log: () => {} },
  metrics: { count: () => {}, gauge: () => {} },
};

/** A database with a publication and a slot, both of its name. */
export interface StreamSource {
  readonly db: TestDatabase;
  readonly identity: SourceIdentity;
  /** Consistent point of the slot. */
  readonly from: ResumePoint;
  open(more?: OpenMore): Promise<ChangeStream>;
  /** pg_replication_slots.confirmed_flush_lsn. */
  confirmed(): Promise<bigint>;
  position(): Promise<bigint>;
}
export interface OpenMore extends Partial<Omit<OpenStreamInput, 'start'>> {
  readonly from?: bigint;
  readonly until?: bigint | null;
  readonly acknowledged?: bigint | null;
  readonly identity?: SourceIdentity;
  readonly signal?: AbortSignal;
  readonly binary?: boolean;
}

export async function streamSource(on: TestServer, schema: string, publish = 'FOR ALL TABLES'): Promise<StreamSource> {
  const db = await database(on, 's');
  await db.query(schema);
  await db.query(`CREATE PUBLICATION ${db.name} ${publish}`);
  return attach(db);
}

/** Makes the slot of a database that has its publication. */
export async function attach(db: TestDatabase): Promise<StreamSource> {
  const [slot] = await db.query<{ lsn: string }>(
    `SELECT lsn::text FROM pg_create_logical_replication_slot('${db.name}', 'pgoutput')`,
  );
  const [system] = await db.query<{ id: string; timeline: number; version: string }>(
    `SELECT system_identifier::text AS id, (SELECT timeline_id FROM pg_control_checkpoint()) AS timeline,
            current_setting('server_version_num') AS version FROM pg_control_system()`,
  );
  const identity: SourceIdentity = {
    systemId: system?.id ?? '',
    timeline: system?.timeline ?? 0,
    database: db.name,
    version: Number(system?.version),
  };
  const from = parseLsn(slot?.lsn ?? '') as ResumePoint;
  const lsn = async (sql: string) => parseLsn((await db.query<{ lsn: string }>(sql))[0]?.lsn ?? '');
  return {
    db,
    identity,
    from,
    open: (more = {}) => open({ db, identity, from }, more),
    confirmed: () =>
      lsn(`SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = '${db.name}'`),
    position: () => lsn('SELECT pg_current_wal_insert_lsn()::text AS lsn'),
  };
}

function open(at: { db: TestDatabase; identity: SourceIdentity; from: ResumePoint }, more: OpenMore) {
  const { from, until, acknowledged, identity, signal, binary, ...input } = more;
  return openStream(
    {
      connection: { url: at.db.url },
      name: 'source',
      slot: at.db.name,
      publications: [at.db.name],
      start: {
        from: (from ?? at.from) as ResumePoint,
        identity: identity ?? at.identity,
        until: until ?? null,
        acknowledged: acknowledged ?? null,
        binary: binary ?? false,
      },
      describe: describeBare,
      batchBytes: 1 << 20,
      bufferBytes: 8 << 20,
      statusInterval: 1000,
      ...silent,
      ...input,
    },
    signal ?? new AbortController().signal,
  );
}

/** Reads one item at a time; a stream that says nothing for ten seconds fails the test. */
export class Reader {
  readonly #items: AsyncIterator<StreamItem>;

  constructor(stream: ChangeStream) {
    this.#items = stream[Symbol.asyncIterator]();
  }

  async item(): Promise<StreamItem | null> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('nothing came for ten seconds')), 10_000);
    });
    try {
      const result = await Promise.race([this.#items.next(), late]);
      return result.done === true ? null : result.value;
    } finally {
      clearTimeout(timer);
    }
  }

  /** The next batch, idle items left out; null at the end. */
  async batch(): Promise<StreamBatch | null> {
    for (;;) {
      const item = await this.item();
      if (item === null) return null;
      if (item.kind === 'batch') return item.batch;
    }
  }

  /** Everything up to the end of the stream. */
  async rest(): Promise<StreamBatch[]> {
    const batches: StreamBatch[] = [];
    for (;;) {
      const batch = await this.batch();
      if (batch === null) return batches;
      batches.push(batch);
    }
  }
}

/** All changes from `from` up to now. */
export async function readAll(source: StreamSource, more: OpenMore = {}): Promise<Change[]> {
  await using stream = await source.open({ until: await source.position(), ...more });
  return (await new Reader(stream).rest()).flatMap((batch) => batch.changes);
}

/** A change in few words: `insert public.t 1,a`. UNCHANGED is `~`, NULL is `-`. */
export function brief(change: Change): string {
  const cells = (tuple: readonly unknown[]) =>
    tuple.map((cell) => (cell === null ? '-' : typeof cell === 'symbol' ? '~' : String(cell))).join(',');
  switch (change.kind) {
    case 'insert':
      return `insert ${change.relation.name} ${cells(change.after)}`;
    case 'update': {
      const before = change.before === null ? '' : ` ${change.before.image}(${cells(change.before.tuple)})`;
      return `update ${change.relation.name}${before} ${cells(change.after)}`;
    }
    case 'delete':
      return `delete ${change.relation.name} ${change.before.image}(${cells(change.before.tuple)})`;
    case 'truncate': {
      const options = `${change.cascade ? ' cascade' : ''}${change.restartIdentity ? ' restart' : ''}`;
      return `truncate ${change.relations
        .map(({ name }) => name)
        .sort()
        .join(',')}${options}`;
    }
    case 'message':
      return `message ${change.prefix} ${Buffer.from(change.content).toString()}${change.transactional ? '' : ' alone'}`;
    default:
      return change satisfies never;
  }
}

export function lastBoundary(batches: readonly StreamBatch[]): CommitLsn {
  const at = batches.at(-1)?.boundary;
  if (at === null || at === undefined) throw new Error('the last batch ends inside a transaction');
  return at;
}
