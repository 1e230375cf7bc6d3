import type { CommitLsn } from '../../../core/postgres/lsn.ts';

/**
 * Which commits of ours survive a crash of the target. With synchronous_commit off a commit is durable when the target
 * has flushed its WAL up to the commit's end. I1: a position is told as durable only from here.
 */
export class Durability {
  /** In order of commit; `wal` null: not known, only a synchronous commit settles it. */
  #pending: { readonly boundary: CommitLsn; readonly wal: bigint | null }[] = [];
  #durable: CommitLsn | null;

  constructor(durable: CommitLsn | null) {
    this.#durable = durable;
  }

  get durable(): CommitLsn | null {
    return this.#durable;
  }

  get pending(): boolean {
    return this.#pending.length > 0;
  }

  /** A commit was answered; `wal` is at or behind the end of its record in the target's WAL. */
  committed(boundary: CommitLsn, wal: bigint | null): void {
    this.#pending.push({ boundary, wal });
  }

  /** The target has flushed its WAL up to here. */
  flushed(upTo: bigint): void {
    let done = 0;
    for (const { wal } of this.#pending) {
      if (wal === null || wal > upTo) break;
      done++;
    }
    if (done === 0) return;
    this.#durable = (this.#pending[done - 1] as { boundary: CommitLsn }).boundary;
    this.#pending.splice(0, done);
  }

  /** A synchronous commit was answered that began after all of them. */
  synced(): void {
    this.#durable = this.#pending.at(-1)?.boundary ?? this.#durable;
    this.#pending = [];
  }
}
