/**
 * What one seed does, as data: it is printed as SQL and YAML, run, and made smaller by leaving parts out. Whoever removes a
 * statement need not look at the others: one that fails on the source is as good as one that is not there.
 */

/** Text of a value, NULL, or an expression where the text would be long. */
export type Value = string | null | { readonly sql: string };
export type Row = Readonly<Record<string, Value>>;

export interface Column {
  readonly name: string;
  readonly type: string;
  readonly collation?: string;
  readonly notNull?: boolean;
  readonly default?: string;
  readonly generated?: { readonly as: string; readonly kind: 'STORED' | 'VIRTUAL' };
  readonly identity?: 'ALWAYS' | 'BY DEFAULT';
  /** Kept out of line and uncompressed, so that an UPDATE may leave it unsent. */
  readonly external?: boolean;
  /** Made and dropped again before the first row: its attribute number stays. */
  readonly dropped?: boolean;
}

export interface Key {
  readonly name: string;
  readonly kind: 'PRIMARY KEY' | 'UNIQUE';
  readonly columns: readonly string[];
  readonly include?: readonly string[];
  readonly deferrable?: 'DEFERRABLE INITIALLY IMMEDIATE' | 'DEFERRABLE INITIALLY DEFERRED';
}

export interface Member {
  readonly name: string;
  /** As it stands behind PARTITION OF. */
  readonly bound: string;
  /** Made as a table of its own, columns in another order, then attached. */
  readonly attached?: boolean;
  readonly split?: Split;
}
export interface Split {
  readonly by: 'RANGE' | 'LIST' | 'HASH';
  readonly column: string;
  readonly members: readonly Member[];
}

export interface Table {
  /** Steps and transforms name the table by it. */
  readonly id: string;
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly Column[];
  readonly keys: readonly Key[];
  /** `DEFAULT`, `FULL`, `NOTHING`, or the name of one of the keys. */
  readonly identity: string;
  readonly checks: readonly string[];
  readonly references?: { readonly column: string; readonly table: string; readonly to: string; readonly more: string };
  readonly indexes: readonly string[];
  readonly split?: Split;
  /** Id of the table that it inherits from; its own columns come after that one's. */
  readonly inherits?: string;
  readonly unlogged?: boolean;
}

export type Transform =
  | { readonly plugin: 'filter'; readonly table: string; readonly where: string }
  | {
      readonly plugin: 'rename';
      readonly table: string;
      readonly to?: readonly [schema: string, name: string];
      readonly columns?: Readonly<Record<string, string>>;
    }
  | { readonly plugin: 'columns'; readonly table: string; readonly drop: readonly string[] }
  | {
      readonly plugin: 'set';
      readonly table: string;
      readonly columns: Readonly<Record<string, { readonly expr: string; readonly type?: string }>>;
    }
  | { readonly plugin: 'mask'; readonly table: string; readonly columns: Readonly<Record<string, Mask>> };
export type Mask = 'hash' | 'redact' | 'partial' | 'null';

/** A statement of one of several connections; `table` is an id. */
export type Statement =
  | { readonly op: 'insert'; readonly table: string; readonly rows: readonly Row[]; readonly conflict?: Conflict }
  | { readonly op: 'copy'; readonly table: string; readonly rows: readonly Row[] }
  | { readonly op: 'update'; readonly table: string; readonly set: Row; readonly where: Where }
  | { readonly op: 'delete'; readonly table: string; readonly where: Where }
  | {
      readonly op: 'truncate';
      readonly tables: readonly string[];
      readonly cascade?: boolean;
      readonly restart?: boolean;
    }
  | { readonly op: 'bulk'; readonly table: string; readonly count: number; readonly row: Row }
  /** `%` stands for the table. */
  | { readonly op: 'ddl'; readonly table: string; readonly sql: string };
export type Conflict =
  | { readonly do: 'nothing' }
  | { readonly do: 'update'; readonly columns: readonly string[]; readonly set: readonly string[] };
/** Equality, the first rows as they lie in the table, or every row. */
export type Where =
  | { readonly equal: Row }
  | { readonly first: number; readonly skip: number }
  | { readonly all: true };

export type Step =
  | { readonly op: 'begin'; readonly on: number; readonly guarded: boolean }
  | { readonly op: 'commit' | 'rollback'; readonly on: number }
  | { readonly op: 'savepoint' | 'release' | 'rollback to'; readonly on: number; readonly name: string }
  | { readonly op: 'prepare'; readonly on: number; readonly name: string }
  | { readonly op: 'commit prepared' | 'rollback prepared'; readonly on: number; readonly name: string }
  | { readonly op: 'do'; readonly on: number; readonly statement: Statement }
  /** `pgsluice run` begins, unless it goes on already. */
  | { readonly op: 'start' }
  /** Waits until the run streams, or for as long as an open transaction lets it. */
  | { readonly op: 'streaming' }
  | { readonly op: 'wait'; readonly ms: number }
  | { readonly op: 'kill' }
  | { readonly op: 'stop' }
  | { readonly op: 'cut'; readonly side: 'source' | 'target' }
  /** Ends a run that is under way and runs to `--stop-at now`. */
  | { readonly op: 'catch up' };

export type SessionStep = Extract<Step, { readonly on: number }>;

export interface Settings {
  readonly workers: number;
  readonly chunkSize: string;
  readonly streaming: boolean;
  readonly binary: boolean;
  readonly checkpointFile: boolean;
  /** The target's tables are there before the first run. */
  readonly existing: boolean;
  readonly ddl: 'stop' | 'follow';
  readonly rate: string | null;
  /** Tables in ranges of their key, the age of a snapshot, and whether the stream is applied between two; absent: as usual. */
  readonly ranges?: { readonly maxAge: string | null; readonly during?: boolean };
  /** Neither side is used as a superuser. */
  readonly owners: boolean;
  /** By the number of the run, round and round; absent: one lane. */
  readonly lanes?: readonly { readonly lanes: number; readonly by: 'group' | 'table' | 'key' }[];
  /** Through a journal in Kafka, by so many processes; absent: at once. */
  readonly journal?: { readonly appliers: number; readonly partitions: number };
  /** Even small transactions spill, or are streamed, before their commit. */
  readonly smallMemory: boolean;
}

/** What comes after both sides were compared. */
export interface Ending {
  readonly verify: boolean;
  /** A change of the target that verify must find; the number chooses table and row. */
  readonly spoil: number | null;
  readonly cutover: boolean;
  /** An object that is made on the source after everything was copied: cutover must name it, not say GO. */
  readonly late: string | null;
}

export interface Script {
  readonly seed: number;
  readonly from: number;
  readonly to: number;
  readonly settings: Settings;
  /** Names of types of test/support/types-values.ts and collations that the tables need. */
  readonly needs: readonly string[];
  readonly tables: readonly Table[];
  readonly transforms: readonly Transform[];
  readonly steps: readonly Step[];
  readonly ending: Ending;
}
