import type { RowChange } from './change.ts';
import type { Tuple } from '../postgres/tuple.ts';
import type { Json } from './checkpoint.ts';
import type { PgsluiceError } from '../base/error.ts';
import type { Relation } from '../postgres/relation.ts';

/** A row of the snapshot, where a sink takes rows one by one. */
export interface RowRead {
  readonly kind: 'read';
  readonly relation: Relation;
  readonly after: Tuple;
}

/** What a sink could not deliver, and why. The error says the code; no row value is in its message (I11). */
export interface Refused {
  readonly change: RowChange | RowRead;
  readonly error: PgsluiceError;
  /** What the sink had made of the row, where that is what has to be sent again: a Kafka record. */
  readonly record?: Json;
}

/**
 * Where a sink leaves what it cannot deliver instead of failing (I9: only where the file has `dead_letter`). The order that
 * keeps everything: what is refused first, then the position that lies behind it. After a failure letters may repeat.
 */
export interface DeadLetters {
  /** Changes and rows that were delivered: the threshold is over all of the last ones. */
  passed(count: number): void;
  /**
   * Resolves when these are recorded durably. Throws PGS6040 where too many of the last changes failed: then none of these is
   * recorded, and the sink fails with that error; PGS6041 where they cannot be recorded.
   */
  refuse(refused: readonly Refused[]): Promise<void>;
}

/** One record of the dead letters: `json` is all of it; the rest is for whoever sorts them. */
export interface DeadLetter {
  readonly sink: string;
  /** `schema.table` in the sink. */
  readonly table: string;
  readonly code: string;
  readonly json: string;
}

/** A file, or a topic of a sink that has topics. Letters are durable when `write` resolves. */
export interface DeadLetterStore extends AsyncDisposable {
  write(letters: readonly DeadLetter[]): Promise<void>;
}
