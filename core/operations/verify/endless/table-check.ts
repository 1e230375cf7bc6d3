import { createHash } from 'node:crypto';
import type { VerifiedTable } from '../../../pipeline/progress/verification-view.ts';
import type { Member } from '../../../pipeline/state/entries.ts';
import type { RangeComparison, RowDifference } from '../compare.ts';
import { parseLsn } from '../../../postgres/lsn.ts';
import type { Moment } from '../table-progress.ts';

/** Rows in a range to begin with, and how many ranges a large table is cut into at most. */
const leastRows = 100_000;
const mostRanges = 2000;
/** A range may be so many times as large as it should be before it is cut again. */
const slack = 3;
/** Rows that are named in `status`. */
const mostNamed = 20;
/** Looks in a row that have to end in an error before a table counts as not compared. */
const mostFailures = 3;
/** Parts of `every` after which a range is looked at again: what the stream did not change, and what it did. */
const [quietPart, changedPart] = [0.8, 0.4];

/** A range of the key, and what its last comparison found. Bounds as in {@link DigestQuery}. */
export interface Part {
  readonly after: readonly string[] | null;
  readonly upTo: readonly string[] | null;
  /** Null: not compared yet. */
  at: Moment | null;
  rows: bigint;
  differences: readonly RowDifference[];
  differs: boolean;
  /** The commit by which the stream last changed it, where no comparison had that in its view; 0: not known which. */
  changed: bigint | null;
  /** To be looked at as soon as may be. */
  again: boolean;
  /** No key cuts it into smaller ones. */
  fixed: boolean;
}

export type TableNote = Member<'verified'>;

/** What is known of one table of one sink: ranges that lie side by side, each with the moment at which it was compared. */
export class TableCheck {
  readonly sink: string;
  readonly table: string;
  readonly mark: string;
  readonly begun: number;
  parts: Part[] = [newPart(null, null)];
  rangeRows = leastRows;
  repaired = 0;
  /** Repairs since all of it was equal. */
  repairs = 0;
  /** Why it is not compared; null: it is. */
  leftOut: string | null = null;
  #failures = 0;
  #retryAt = 0;

  constructor(of: { readonly sink: string; readonly table: string; readonly mark: string }, begun: number) {
    this.sink = of.sink;
    this.table = of.table;
    this.mark = of.mark;
    this.begun = begun;
  }

  get key(): string {
    return `${this.sink}:${this.table}`;
  }

  /** When a part is to be compared, in milliseconds since 1970. */
  dueAt(part: Part, every: number): number {
    if (part.again || part.at === null) return this.#retryAt;
    const share = part.changed !== null || part.differs ? changedPart : quietPart;
    return Math.max(this.#retryAt, Date.parse(part.at.time) + every * share);
  }

  found(part: Part, { rows, equal, differences }: RangeComparison, at: Moment): void {
    part.at = at;
    part.rows = rows;
    part.differs = !equal;
    part.differences = differences;
    // What came while it was being compared is not in it (I5).
    const seen = at.position === null ? null : parseLsn(at.position);
    if (part.changed !== null && (seen === null || part.changed < seen)) part.changed = null;
    part.again = false;
    this.leftOut = null;
    this.#failures = 0;
    this.#retryAt = 0;
    if (this.parts.every((each) => !each.differs)) this.repairs = 0;
  }

  /** It could not be compared now. Told as the verdict when that goes on; tried again all the same. */
  failed(why: string, retryIn: number): void {
    this.#retryAt = Date.now() + retryIn;
    if (++this.#failures >= mostFailures) this.leftOut = why;
  }

  isTooLarge(part: Part, rows: number): boolean {
    if (part.after === null && part.upTo === null)
      this.rangeRows = Math.max(this.rangeRows, Math.ceil(rows / mostRanges));
    return rows > this.rangeRows * slack;
  }

  /** In place of a part, those between these bounds; each is as its whole was. */
  split(part: Part, bounds: readonly (readonly string[])[]): void {
    const at = this.parts.indexOf(part);
    const ends = [...bounds, part.upTo];
    const pieces = ends.map((upTo, i) => ({
      ...part,
      after: i === 0 ? part.after : bounds[i - 1]!,
      upTo,
      rows: part.rows / BigInt(ends.length),
    }));
    this.parts = [...this.parts.slice(0, at), ...pieces, ...this.parts.slice(at + 1)];
  }

  /** A look took too long: it is cut up at the next one. */
  narrow(part: Part): void {
    this.rangeRows = Math.max(1, Math.floor(this.rangeRows / 4));
    part.rows = BigInt(this.rangeRows * slack + 1);
    part.again = true;
  }

  changedAll(at: bigint): void {
    for (const part of this.parts) part.changed = at;
  }

  view(): VerifiedTable {
    const seen = this.parts.flatMap(({ at }) => (at === null ? [] : [Date.parse(at.time)]));
    const differing = this.parts.filter(({ differs }) => differs);
    const whole = seen.length === this.parts.length;
    const differences = differing.flatMap((part) => part.differences);
    return {
      sink: this.sink,
      table: this.table,
      verdict: verdictOf(this.leftOut, differing.length > 0, whole),
      why: this.leftOut,
      since: seen.length === 0 ? null : Math.min(...seen),
      last: seen.length === 0 ? null : Math.max(...seen),
      rows: String(this.parts.reduce((sum, { rows }) => sum + rows, 0n)),
      parts: this.parts.length,
      compared: seen.length,
      changed: this.parts.filter(({ changed, at }) => changed !== null && at !== null).length,
      differing: differences.length,
      named: differences.slice(0, mostNamed).map(({ kind, key }) => ({ kind, key })),
      repaired: this.repaired,
    };
  }

  note(): TableNote {
    return {
      mark: this.mark,
      view: { ...this.view() },
      rangeRows: this.rangeRows,
      bounds: this.parts.slice(0, -1).map(({ upTo }) => upTo!),
      parts: this.parts.map(({ at, rows, differs }) => ({
        time: at?.time ?? null,
        position: at?.position ?? null,
        rows: String(rows),
        differs,
      })),
    };
  }

  /** What was found before goes on counting where it was of the same plan and copy. What the stream did meanwhile is not known. */
  restore(note: TableNote): void {
    if (note.mark !== this.mark || note.parts.length !== note.bounds.length + 1) return;
    this.rangeRows = note.rangeRows;
    this.repaired = Number(note.view['repaired'] ?? 0);
    this.parts = note.parts.map(({ time, position, rows, differs }, i) => {
      return {
        ...newPart(note.bounds[i - 1] ?? null, note.bounds[i] ?? null),
        at: time === null ? null : { time, position },
        rows: BigInt(rows),
        differs,
        // Which rows they were is found again.
        again: differs,
        changed: 0n,
      };
    });
  }
}

function newPart(after: Part['after'], upTo: Part['upTo']): Part {
  return {
    after,
    upTo,
    at: null,
    rows: 0n,
    differences: [],
    differs: false,
    changed: null,
    again: false,
    fixed: false,
  };
}

function verdictOf(leftOut: string | null, differs: boolean, whole: boolean): VerifiedTable['verdict'] {
  if (differs) return 'differs';
  if (leftOut !== null) return 'not-compared';
  return whole ? 'equal' : 'unknown';
}

/** Changes where results of before say nothing any more. */
export function markOf(facts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex').slice(0, 32);
}
