import type { Manifest } from '../postgres/manifest/types.ts';

/** The schema of one side, without what pgsluice made there for itself. */
export interface SchemaView {
  readonly manifest: Manifest;
  /**
   * Keys of objects that the sink keeps aside until the cutover, or puts on only then: until then they may differ, in the
   * properties named, or (null) altogether.
   */
  readonly pending: ReadonlyMap<string, readonly string[] | null>;
  /** Owners of the source are wanted here. */
  readonly owners: boolean;
  /** False: its grants are not. */
  readonly grants?: boolean;
  /** Of a target: the roles that may be made owners there, where others need not be; absent: all of them. */
  readonly mayOwn?: ReadonlySet<string>;
  /** `database`: all of it is the source's copy. `tables`: only the tables of the plans, whose schema somebody else made. */
  readonly scope: 'database' | 'tables';
  /** Of a target: what of the source's schema the file leaves out there. */
  readonly exclude?: { readonly extensions: readonly string[]; readonly schemas: readonly string[] };
  /** Of a target: its roles by those of the source that they stand for. */
  readonly roles?: ReadonlyMap<string, string>;
}

/** Of sources and sinks that are databases; core compares. */
export interface SchemaReader {
  read(signal: AbortSignal): Promise<SchemaView>;
}
