import type { Json } from '../../api/checkpoint.ts';
import { failpoint } from '../../base/failpoint.ts';

/** Position of the source at which both sides were compared; null: as they were then (after a cutover). `time`: ISO 8601. */
export interface Moment {
  readonly position: string | null;
  readonly time: string;
}

/** What of a table an interrupted verification had found equal, and was not compared again. */
export interface Before {
  /** The first of its parts was compared then. */
  readonly since: Moment;
  /** Null: the whole table. */
  readonly ranges: number | null;
}

/** A table that was found equal, all of it. */
export interface FoundEqual extends Before {
  readonly rows: bigint;
  /** Its last part was compared then. */
  readonly at: Moment;
}

/** Ranges of the key that were cut before, and which of them were found equal. */
export interface KnownRanges {
  readonly bounds: readonly (readonly string[])[];
  readonly equal: ReadonlySet<number>;
  readonly rows: bigint;
  readonly since: Moment;
}

/** Where notes are kept. */
export interface Notes {
  get(key: string): Json;
  put(entries: Readonly<Record<string, Json>>): Promise<void>;
  newId(): string;
}

/** The notes of one table. A note with another mark is of another plan, copy or database, and is nothing. */
export class TableProgress {
  readonly #notes: Notes;
  readonly #name: string;
  readonly #mark: string;
  #id = '';
  #equal = new Set<number>();
  #rows = 0n;

  constructor(notes: Notes, name: string, mark: string) {
    this.#notes = notes;
    this.#name = name;
    this.#mark = mark;
  }

  get equal(): FoundEqual | null {
    const note = this.#note('table');
    if (note === null || note['equal'] !== true) return null;
    const at = note['at'] as unknown as Moment;
    const before = note['before'] as unknown as Before | null;
    return { rows: BigInt(String(note['rows'])), at, since: before?.since ?? at, ranges: null };
  }

  /** When it was found to differ. */
  get differed(): Moment | null {
    const note = this.#note('table');
    return note !== null && note['equal'] === false ? (note['at'] as unknown as Moment) : null;
  }

  /** The ranges that were begun; from here on {@link rangeEqual} adds to them. */
  ranges(): KnownRanges | null {
    const cut = this.#note('cut');
    if (cut === null) return null;
    this.#id = String(cut['id']);
    const done = this.#note('done');
    if (done !== null && done['id'] === this.#id) {
      this.#equal = new Set(expand(done['equal'] as readonly (readonly [number, number])[]));
      this.#rows = BigInt(String(done['rows']));
    }
    const bounds = cut['bounds'] as readonly (readonly string[])[];
    return { bounds, equal: new Set(this.#equal), rows: this.#rows, since: cut['at'] as unknown as Moment };
  }

  /** Ranges between these bounds will be compared one by one. */
  async begin(bounds: readonly (readonly string[])[], at: Moment): Promise<void> {
    this.#id = this.#notes.newId();
    this.#equal = new Set();
    this.#rows = 0n;
    const cut = { mark: this.#mark, id: this.#id, bounds, at: moment(at) };
    await this.#notes.put({ [`cut/${this.#name}`]: cut, [`done/${this.#name}`]: null });
  }

  async rangeEqual(range: number, rows: bigint): Promise<void> {
    this.#equal.add(range);
    this.#rows += rows;
    const done = { mark: this.#mark, id: this.#id, equal: compress(this.#equal), rows: String(this.#rows) };
    await this.#notes.put({ [`done/${this.#name}`]: done });
    failpoint('verify-range');
  }

  async finished(found: {
    readonly equal: boolean;
    readonly rows: bigint;
    readonly at: Moment;
    readonly before: Before | null;
  }): Promise<void> {
    const { before } = found;
    await this.#notes.put({
      [`table/${this.#name}`]: {
        mark: this.#mark,
        equal: found.equal,
        rows: String(found.rows),
        at: moment(found.at),
        before: before === null ? null : { since: moment(before.since), ranges: before.ranges },
      },
      // Of one that differs the ranges that agree need not be looked at again either.
      ...(found.equal ? { [`cut/${this.#name}`]: null, [`done/${this.#name}`]: null } : {}),
    });
    failpoint(found.equal ? 'verify-agrees' : 'verify-differs');
  }

  #note(kind: 'table' | 'cut' | 'done'): Readonly<Record<string, Json>> | null {
    const value = this.#notes.get(`${kind}/${this.#name}`);
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return null;
    const note = value as Readonly<Record<string, Json>>;
    return note['mark'] === this.#mark ? note : null;
  }
}

function moment({ position, time }: Moment): Json {
  return { position, time };
}

/** Numbers as runs of [first, last]: ranges finish about in order, so there are few of them. */
export function compress(numbers: Iterable<number>): [number, number][] {
  const runs: [number, number][] = [];
  for (const number of [...numbers].sort((a, b) => a - b)) {
    const last = runs.at(-1);
    if (last !== undefined && last[1] === number - 1) last[1] = number;
    else runs.push([number, number]);
  }
  return runs;
}

export function expand(runs: readonly (readonly [number, number])[]): number[] {
  return runs.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => first + i));
}
