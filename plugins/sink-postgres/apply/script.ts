import type { Change } from '../../../core/api/change.ts';
import { BufferPool } from './buffer-pool.ts';
import { copyRows } from './encode.ts';
import type { Row } from './row.ts';
import type { Steps } from './steps.ts';
import { type Send, WireWriter } from './wire.ts';

/** Statements prepared in a session, by text. Names are never used twice in one session. */
export class Prepared {
  readonly #names = new Map<string, string>();
  #next = 0;
  #epoch = 0;

  /** Another number each time that names were forgotten: a script written before may use some that are gone. */
  get epoch(): number {
    return this.#epoch;
  }

  get size(): number {
    return this.#names.size;
  }

  /** The name of a text, and whether it has still to be parsed. */
  name(text: string): { readonly name: string; readonly fresh: boolean } {
    const known = this.#names.get(text);
    if (known !== undefined) return { name: known, fresh: false };
    const name = `pgsluice_${this.#next++}`;
    this.#names.set(text, name);
    return { name, fresh: true };
  }

  /** After DEALLOCATE ALL, or when it is not known what was parsed. */
  forget(): void {
    this.#names.clear();
    this.#epoch++;
  }
}

/** Rows that a step must touch: `any`: not looked at. */
export type Expectation = number | 'any';

/** What stands behind one Execute: needed only when its count is wrong or it fails. */
export interface StepOrigin {
  readonly table: string;
  /** Null for a set-wise step, which stands for many changes. */
  readonly change: Change | null;
}

/** Where the messages of a script go, and whether values of rows are bytes, one character each. */
export interface ScriptOptions {
  readonly send: Send;
  readonly pool?: BufferPool;
  readonly binary?: boolean;
}

/** The statements of one round trip, and how many rows each must touch. They go out while the rest is written. */
export class Script {
  readonly #writer: WireWriter;
  readonly #prepared: Prepared;
  readonly #binary: boolean;
  /** One per Execute; -1: any. */
  readonly expected: number[] = [];
  /** Parallel arrays, not an object per row. */
  readonly tables: string[] = [];
  readonly changes: (Change | null)[] = [];

  constructor(prepared: Prepared, { send, pool, binary }: ScriptOptions) {
    this.#prepared = prepared;
    this.#writer = new WireWriter(send, pool ?? new BufferPool());
    this.#binary = binary === true;
  }

  /** True when a step's count has to be looked at before the transaction may be committed. */
  get mustCheck(): boolean {
    return this.expected.some((count) => count !== -1);
  }

  get steps(): number {
    return this.expected.length;
  }

  /** True once after some of what was written went out. */
  get handedOn(): boolean {
    return this.#writer.handedOn;
  }

  /** BEGIN, SAVEPOINT and the like. */
  control(text: string): void {
    this.once(text, [], { expected: 'any', table: '' });
  }

  /** A statement that runs once with many rows; parsed each time, so that it is planned for these rows. */
  once(
    text: string,
    values: readonly Buffer[],
    of: { readonly expected: Expectation; readonly table: string; readonly change?: Change },
  ): void {
    this.#writer.parse('', text);
    this.#writer.run('', values, this.#binary);
    this.#step(of.expected, of.table, of.change ?? null);
  }

  /** A statement for one row, prepared once per session. */
  row(text: string, values: readonly (string | Buffer | null)[], expected: Expectation, origin: StepOrigin): void {
    const { name, fresh } = this.#prepared.name(text);
    if (fresh) this.#writer.parse(name, text);
    this.#writer.run(name, values, this.#binary);
    this.#step(expected, origin.table, origin.change);
  }

  /** A statement of our own; its values are text always. */
  own(text: string, values: readonly (string | null)[], table = ''): void {
    const { name, fresh } = this.#prepared.name(text);
    if (fresh) this.#writer.parse(name, text);
    this.#writer.run(name, values, false);
    this.#step('any', table, null);
  }

  /** COPY … FROM STDIN with its rows, the columns at `filled`. */
  *copy(text: string, rows: readonly Row[], of: { readonly filled: readonly number[]; readonly table: string }): Steps {
    this.#writer.parse('', text);
    this.#writer.run('', [], false);
    yield* copyRows(this.#writer, rows, of.filled, this.#binary);
    this.#step('any', of.table, null);
  }

  /** What is left goes out, with a Sync behind it. */
  finish(): void {
    this.#writer.finish();
  }

  #step(expected: Expectation, table: string, change: Change | null): void {
    this.expected.push(expected === 'any' ? -1 : expected);
    this.tables.push(table);
    this.changes.push(change);
  }
}
