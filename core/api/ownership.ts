import type { Json } from './checkpoint.ts';

/**
 * By what a pipeline knows the objects that it made on a server from those of others, whatever their names. A source is
 * given it with {@link Source.claim}, writes it on what it makes (a comment, in the same transaction) or notes it before
 * it makes it, and drops, alters or ends nothing without this proof.
 */
export interface Ownership {
  /** Of the pipeline's state, made with it. Null: there is no state. */
  readonly id: string | null;
  /** Where the state is kept, so that what a lost state had made is known by its place. Null: not known. */
  readonly store: string | null;
  /** That place as the file names it: all that is left of it once it is out of reach. */
  readonly named: string | null;
  /** What was noted of an object; null: nothing. */
  noted(object: string): Json;
  /** Resolves when it is durable; null forgets it. */
  note(object: string, value: Json): Promise<void>;
  /** Highest position that this pipeline may have confirmed to its slot; null: not known. */
  reached(): Promise<bigint | null>;
}
