import type { Json } from '../../api/checkpoint.ts';
import type { CommitLsn, HandoffLsn, SnapshotLsn } from '../../postgres/lsn.ts';
import type { Relation } from '../../postgres/relation.ts';
import {
  type Codec,
  count,
  type Decoded,
  fields,
  flag,
  type JsonObject,
  listOf,
  lsn,
  nullable,
  number,
  objectOf,
  oneOf,
  opaque,
  recordOf,
  text,
} from './codec.ts';

/**
 * Everything that a pipeline's checkpoint holds. An entry has a type and a version; a reader gets the newest form,
 * whichever form is stored. Entries are added, and keep their key and meaning for as long as a checkpoint may contain
 * them; a new form of an entry is a new version that still reads the previous one. (Apart from this, `verify` keeps
 * notes in the store's second map.)
 */
export const phases = ['starting', 'snapshot', 'stream', 'cutover', 'done'] as const;

const identity = fields({ systemId: text, timeline: number, database: text, version: number });

/** Version 1, noted in the entry since the first release. */
const headVersion = 1;
const headFields = fields({ phase: oneOf(...phases), identity, handoff: nullable(lsn<HandoffLsn>()) });
const head: Codec<Decoded<typeof headFields>> = {
  read: (value) => {
    const { version } = objectOf(value);
    if (version !== headVersion) throw new Error(`of version ${String(version)}`);
    return headFields.read(value);
  },
  write: (value) => ({ version: headVersion, ...(headFields.write(value) as JsonObject) }),
};

/** `version`: of the form of the facts. Form 1 has no version, and hashes in place of most texts. */
interface FileFactsNote {
  readonly version: 1 | 2;
  readonly facts: Readonly<Record<string, string>>;
}
const facts = recordOf(text);
const fileFacts: Codec<FileFactsNote> = {
  read: (value) => {
    const { version, facts: kept } = objectOf(value);
    return version === 2 ? { version, facts: facts.read(kept ?? null) } : { version: 1, facts: facts.read(value) };
  },
  write: ({ facts: kept }) => ({ version: 2, facts: facts.write(kept) }),
};

/** A range that verification compared; there are thousands, so each is a list. */
interface VerifiedPart {
  readonly time: string | null;
  readonly position: string | null;
  readonly rows: string;
  readonly differs: boolean;
}
const verifiedPart: Codec<VerifiedPart> = {
  read: (value) => {
    const [time = null, position = null, rows = null, differs = null] = listOf(opaque).read(value);
    return {
      time: nullable(text).read(time),
      position: nullable(text).read(position),
      rows: text.read(rows),
      differs: flag.read(differs),
    };
  },
  write: ({ time, position, rows, differs }) => [time, position, rows, differs],
};

/** A run's last record of itself (docs/watching.md): for people and scripts; its keys are added and never renamed. */
export type RunRecord = JsonObject & { readonly ended?: boolean; readonly at?: number };
const runRecord: Codec<RunRecord> = { read: (value) => objectOf(value) as RunRecord, write: (value) => value };

/** As the source described it. Columns of older entries have no attnum, no collation and no default. */
const relation: Codec<Relation> = {
  read: (value) => {
    const found = objectOf(value);
    if (typeof found['oid'] !== 'number' || !Array.isArray(found['columns'])) throw new Error('not a table');
    return value as unknown as Relation;
  },
  write: (value) => value as unknown as Json,
};
/** `since`: start of the commit that brought the shape, 0 for the start; `lsn`: where it was read; null: dropped. */
const shape = fields({ since: lsn<bigint>(), lsn: lsn<bigint>(), relation: nullable(relation) });

/** Entries that exist once. */
export const single = {
  head,
  /** Fingerprint of everything that decides which rows go where; in 0.1.0 it includes the order of keys. */
  file: text,
  'file-facts': fileFacts,
  /** The tables of the pipeline, `schema.table` on the source. */
  tables: listOf(text),
  /** The patterns by which the tables were chosen. Absent before 0.1.0. */
  choice: text,
  /** Tables that wait for their copy. */
  resync: listOf(text),
  /** Tables that were asked for again since the start: a sink that keeps a log has rows of an earlier copy. */
  recopied: listOf(text),
  /** The publication as the pipeline left it, in the source's words. */
  publication: opaque,
  'publication-altering': flag,
  /** The slot is the user's. */
  'slot-was-there': flag,
  /** The id by which objects on the source are recognised as this pipeline's. Absent before 0.1.0. */
  owner: text,
  /** What the snapshot of a copy without a stream saw. `again`: tables were copied twice. */
  only: fields({ sees: text, exactAt: lsn<SnapshotLsn>(), again: flag }, { again: false }),
  /** A confirmed idle position, and the position of each sink at that time (I3). */
  idle: fields({ at: lsn<bigint>(), sinks: recordOf(lsn<bigint>()) }),
  /**
   * What the source needs to continue after batches that are not durable in every sink yet, and after the last one that
   * is.
   */
  places: listOf(fields({ at: lsn<bigint>(), place: text })),
  /** Sinks are held at a position, for the process that requested it. */
  held: fields({ id: text, lsn: lsn<CommitLsn>() }),
  /** The last barrier that became durable. `at`: milliseconds. */
  barrier: fields({ id: text, lsn: lsn<CommitLsn>(), at: number }),
  /** A cutover under way; the decision itself is the head's phase. */
  cutover: fields(
    { fence: opaque, wayBack: nullable(text), goAt: nullable(lsn<bigint>()), accepted: listOf(text), at: number },
    { accepted: [], at: 0 },
  ),
  /** Partitioned tables of the last snapshot of a first copy that needed several. */
  parents: fields({ at: lsn<bigint>(), names: listOf(text) }),
  status: runRecord,
  /** Rows that are read again beside the stream, in turn. `after`: key of the last row that is durable in the sinks. */
  rereads: listOf(
    fields({ id: text, table: text, where: nullable(text), after: nullable(listOf(text)), rows: number }),
  ),
  /** The last signal that was carried out: start of the commit that brought it, and its own position. */
  'signal-at': fields({ commit: lsn<bigint>(), lsn: lsn<bigint>() }),
  /** Rereads are paused until a signal resumes them. */
  'rereads-paused': flag,
  /** The rereads that ended last. */
  'rereads-ended': listOf(fields({ id: text, rows: number, error: nullable(text) })),
  /** Tables that were copied beside the stream have to be copied again. */
  'side:again': flag,
} as const;

/** Entries that exist once per member; the key is `NAME:WHICH`. */
export const family = {
  /** `SINK:schema.table`. `exactAt`: the copy is exact there (I5). */
  table: fields({ state: oneOf('copied', 'finished'), exactAt: lsn<SnapshotLsn>(), rows: count, bytes: number }),
  /**
   * `SINK:schema.table`: how a table that is copied in ranges of its key is divided (core/pipeline/ledger). `id`: by
   * which the target knows its chunks. `standing`: the table on the source when it was divided. `upTo`: no range is
   * exact beyond it. `exact`: position of each range, once all are copied; the highest is the table's own.
   */
  ledger: fields({
    id: text,
    standing: text,
    columns: listOf(text),
    bounds: listOf(listOf(text)),
    bytes: number,
    upTo: lsn<SnapshotLsn>(),
    exact: listOf(lsn<SnapshotLsn>()),
  }),
  /** By sink, for sinks that keep no position themselves. */
  position: lsn<CommitLsn>(),
  /** By sink: the position up to which signals were read. */
  signals: text,
  /** By sink: number of dead letters so far. */
  'dead-letters': number,
  /** By oid: the shapes of the table. */
  shape: listOf(shape),
  /** By oid: the file in which the table stored its rows when its newest shape was first seen. */
  stored: fields({ file: text, written: text, columns: recordOf(text) }),
  /** By oid: DDL that was reported to the user. */
  told: lsn<bigint>(),
  /** By object: the source's notes on what it made. */
  made: opaque,
  /**
   * `SINK:schema.table`: results of the verification that runs beside the stream. `view` is the displayed summary; of
   * each range: time, position, rows, and whether it differs.
   */
  verified: fields({
    mark: text,
    view: recordOf(opaque),
    rangeRows: number,
    bounds: listOf(listOf(text)),
    parts: listOf(verifiedPart),
  }),
  /** The separate state of a copy beside the stream. */
  side: opaque,
} as const;

export type SingleKey = keyof typeof single;
export type Single<K extends SingleKey> = Decoded<(typeof single)[K]>;
export type FamilyKey = keyof typeof family;
export type Member<F extends FamilyKey> = Decoded<(typeof family)[F]>;

/** One entry as it is written; null removes it. */
export type StateEntry = readonly [key: string, value: Json];

export function entry<K extends SingleKey>(key: K, value: Single<K> | null): StateEntry {
  return [key, nullable(single[key] as Codec<Single<K>>).write(value)];
}

export function member<F extends FamilyKey>(of: F, which: string | number, value: Member<F> | null): StateEntry {
  return [`${of}:${which}`, nullable(family[of] as Codec<Member<F>>).write(value)];
}
