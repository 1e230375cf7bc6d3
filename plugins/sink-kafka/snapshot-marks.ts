import type { SnapshotMark } from './records/moment.ts';

interface Table {
  readonly chunks: number;
  /** Chunks whose last row is out. */
  readonly ended: Set<string>;
  /** It has given a row. */
  begun: boolean;
}

/** The marks of one chunk's rows, in order. */
export interface ChunkMarks {
  /** Of the next row; `last`: the chunk has no more. */
  next(last: boolean): SnapshotMark;
  /** Its rows are all out; to be called once, after the last. */
  end(): void;
  /** It failed and comes again. */
  failed(): void;
}

/**
 * Which rows of a snapshot are the first and last ones. Tables and their chunks are read side by side, so it goes by what is written:
 * `first` is whatever row comes first, `last_in_data_collection` the last row of a table's chunk that ends last, `last` that of the table that does.
 * Where what ends last holds no row, no row bears the mark.
 */
export class SnapshotMarks {
  readonly #tables = new Map<string, Table>();
  #left = 0;
  #begun = false;

  prepare(tables: number): void {
    this.#left = tables;
  }

  begin(table: string, chunks: number): void {
    const known = this.#tables.get(table);
    if (known !== undefined && known.ended.size === known.chunks) this.#left++;
    this.#tables.set(table, { chunks, ended: new Set(), begun: false });
  }

  chunk(table: string, id: string): ChunkMarks {
    const of = this.#tables.get(table) ?? { chunks: 1, ended: new Set<string>(), begun: false };
    this.#tables.set(table, of);
    return {
      next: (last) => {
        const first = { ofAll: !this.#begun, ofTable: !of.begun };
        this.#begun = true;
        of.begun = true;
        const lastOfTable = last && of.ended.size + (of.ended.has(id) ? 0 : 1) === of.chunks;
        if (lastOfTable && this.#left <= 1) return 'last';
        if (first.ofAll) return 'first';
        if (lastOfTable) return 'last_in_data_collection';
        return first.ofTable ? 'first_in_data_collection' : 'true';
      },
      end: () => {
        if (of.ended.size < of.chunks && of.ended.add(id).size === of.chunks) this.#left--;
      },
      failed: () => {
        if (of.ended.size === of.chunks && of.ended.has(id)) this.#left++;
        of.ended.delete(id);
      },
    };
  }
}

/** {@link withLast} of runs of bytes, whose memory the reader uses again as soon as it is asked for the next one. */
export function runsWithLast(
  runs: AsyncIterable<Buffer>,
): AsyncGenerator<{ readonly item: Buffer; readonly last: boolean }> {
  return withLast(copied(runs));
}

async function* copied(runs: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  for await (const run of runs) yield Buffer.from(run);
}

/** The items, each with whether it is the last one: it is given when the next one is there. */
export async function* withLast<T>(
  items: AsyncIterable<T>,
): AsyncGenerator<{ readonly item: T; readonly last: boolean }> {
  let held: { readonly item: T } | null = null;
  for await (const item of items) {
    if (held !== null) yield { item: held.item, last: false };
    held = { item };
  }
  if (held !== null) yield { item: held.item, last: true };
}
