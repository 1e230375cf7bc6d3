import type { Column } from '../postgres/relation.ts';

/** A row by column name: the server's text of each value, null for SQL NULL. */
export type ScriptRow = Record<string, string | null>;

/** What a script is told beside the rows; the same object for all calls of one table and phase. */
export interface ScriptInfo {
  /** Name of the table on the source. */
  readonly source: { readonly schema: string; readonly name: string };
  /** Name that the table has at this step. */
  readonly table: { readonly schema: string; readonly name: string };
  readonly columns: readonly Column[];
  /** `snapshot`: rows of the copy. `stream`: rows of changes, also the old rows of UPDATE and DELETE where they are known. */
  readonly phase: 'snapshot' | 'stream';
}

/**
 * Default export of a script's module. Gets rows, returns the rows that take their place: fewer, more, changed. It must
 * give the same rows for the same rows, whatever the batch around them: snapshot, stream and the old image of a row are
 * mapped by separate calls. Values must be text (as PostgreSQL reads it) or null; a row must have every column. What it
 * throws stops the pipeline before the row, and names table and position.
 */
export type Script = (rows: ScriptRow[], info: ScriptInfo) => readonly ScriptRow[] | Promise<readonly ScriptRow[]>;
