import type { Ownership } from '../../../core/api/ownership.ts';

/** The content of a comment on an object of the source about the pipeline that made it. */
export interface Mark {
  readonly pipeline: string;
  /** Of the state of the pipeline. */
  readonly id: string | null;
  /** Of the place where that state is kept, and of its name in the pipeline file. */
  readonly store: string | null;
  readonly named: string | null;
  /**
   * On a publication: the slot that is made beside it, and its consistent point. A slot itself cannot carry a comment.
   */
  readonly slot?: string;
  readonly from?: string;
}

const start = 'made by pgsluice; `pgsluice cleanup` drops it ';

export function markText(mark: Mark): string {
  return start + JSON.stringify(mark);
}

/** Null: the comment is not ours. */
export function readMark(comment: string | null): Mark | null {
  if (comment === null || !comment.startsWith(start)) return null;
  try {
    return JSON.parse(comment.slice(start.length)) as Mark;
  } catch {
    return null;
  }
}

export interface Owner {
  readonly pipeline: string;
  /** Null until the source is claimed. */
  ownership: Ownership | null;
}

export function markOf({ pipeline, ownership }: Owner): Mark {
  return {
    pipeline,
    id: ownership?.id ?? null,
    store: ownership?.store ?? null,
    named: ownership?.named ?? null,
  };
}

/**
 * Whether the pipeline made the object with this mark: with the state that it has, or with one that was kept in the
 * same place and is lost. If neither state nor place can be reached, the name of the place counts.
 */
export function isOurs(mark: Mark | null, { pipeline, ownership }: Owner): boolean {
  if (mark === null || ownership === null || mark.pipeline !== pipeline) return false;
  if (mark.id !== null && mark.id === ownership.id) return true;
  if (ownership.store !== null) return mark.store === ownership.store;
  return ownership.id === null && mark.named !== null && mark.named === ownership.named;
}
