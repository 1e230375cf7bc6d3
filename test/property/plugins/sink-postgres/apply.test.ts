import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import pg from 'pg';
import type { Change } from '../../../../core/api/change.ts';
import { type Cell, type PartialTuple, type Tuple, UNCHANGED } from '../../../../core/postgres/tuple.ts';
import type { Relation } from '../../../../core/postgres/relation.ts';
import { Feed, full, key, never, relationOf, sinkFor } from '../../../support/apply.ts';
import { database, server } from '../../../support/servers.ts';

/**
 * Random histories of a small table are made as a source would make them (each change valid at its moment), given to the
 * sink in random cuts, and compared with what the model holds at the end.
 */
const shared = await server(17);

interface Kind {
  readonly name: string;
  readonly ddl: string;
  readonly keyed: boolean;
  /** Key cells from a small space. */
  readonly keyOf: (n: number) => readonly string[];
  readonly identity?: Relation['identity'];
  /** The last column is unique, too. */
  readonly secondUnique: boolean;
}
const one = (n: number) => [String(n)];
const kinds: readonly Kind[] = [
  { name: 'plain', ddl: 'k int PRIMARY KEY, a text, b text', keyed: true, keyOf: one, secondUnique: false },
  { name: 'unique', ddl: 'k int PRIMARY KEY, a text, b text UNIQUE', keyed: true, keyOf: one, secondUnique: true },
  {
    name: 'late',
    ddl: 'k int PRIMARY KEY, a text, b text UNIQUE DEFERRABLE INITIALLY DEFERRED',
    keyed: true,
    keyOf: one,
    secondUnique: true,
  },
  {
    name: 'pair',
    ddl: 'k text, l int, a text, b text, PRIMARY KEY (k, l)',
    keyed: true,
    keyOf: (n) => [`k"${n % 3}\\`, String(n)],
    secondUnique: false,
  },
  {
    name: 'more',
    ddl: `k int PRIMARY KEY, a text, b text, extra text DEFAULT 'd'`,
    keyed: true,
    keyOf: one,
    secondUnique: false,
  },
  {
    name: 'numeric',
    ddl: 'k numeric PRIMARY KEY, a text, b text',
    keyed: true,
    keyOf: (n) => [n % 2 === 0 ? `${n}.0` : String(n)],
    secondUnique: false,
  },
  {
    name: 'always',
    ddl: 'k int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a text, b text',
    keyed: true,
    keyOf: one,
    secondUnique: false,
  },
  {
    name: 'fullpk',
    ddl: 'k int PRIMARY KEY, a text, b text',
    keyed: true,
    keyOf: one,
    identity: { kind: 'full' },
    secondUnique: false,
  },
  { name: 'nokey', ddl: 'k int, a json, b numeric', keyed: false, keyOf: one, secondUnique: false },
];

type Step = readonly [op: number, row: number, keyTo: number, value: number, unsent: number];
const steps = fc.array(fc.tuple(fc.nat(19), fc.nat(60), fc.nat(40), fc.nat(60), fc.nat(3)), {
  minLength: 1,
  maxLength: 250,
  size: 'max',
});

class Model {
  rows: Tuple[] = [];
  readonly #kind: Kind;
  readonly #relation: Relation;
  readonly #feed: Feed;

  constructor(kind: Kind, relation: Relation, feed: Feed) {
    this.#kind = kind;
    this.#relation = relation;
    this.#feed = feed;
  }

  /** A valid change near what the step asks for, or null. */
  next([op, at, keyTo, value, unsent]: Step): Change | null {
    const { rows } = this;
    if (op === 19 && at < 6) {
      this.rows = [];
      return this.#feed.truncate([this.#relation]);
    }
    const row = rows[at % Math.max(rows.length, 1)];
    if (op < 7 || row === undefined) return this.#insert(keyTo, value);
    if (op < 11) {
      this.rows = rows.toSpliced(rows.indexOf(row), 1);
      return this.#feed.delete(this.#relation, this.#old(row).tuple, this.#old(row).image);
    }
    return this.#update(row, op > 16 ? keyTo : null, [value, unsent]);
  }

  #values(n: number, value: number): Tuple | null {
    const last = this.#kind.secondUnique
      ? `u${value % 40}`
      : this.#kind.keyed
        ? value === 0
          ? null
          : `b"${value}`
        : `${value % 3}.0`;
    const a = this.#kind.keyed ? `a\t${value}` : value % 4 === 0 ? null : `{"a": ${value % 3}}`;
    const row: Cell[] = [...this.#kind.keyOf(n), a, last];
    return row;
  }

  #free(row: Tuple, except: Tuple | null): boolean {
    const width = this.#kind.keyOf(0).length;
    const sameKey = (other: Tuple) => row.slice(0, width).every((cell, i) => cell === other[i]);
    return !this.rows.some(
      (other) =>
        other !== except &&
        ((this.#kind.keyed && sameKey(other)) || (this.#kind.secondUnique && other.at(-1) === row.at(-1))),
    );
  }

  #insert(n: number, value: number): Change | null {
    const row = this.#values(n, value) as Tuple;
    if (!this.#free(row, null)) return null;
    this.rows.push(row);
    return this.#feed.insert(this.#relation, row);
  }

  #update(row: Tuple, keyTo: number | null, [value, unsent]: readonly [number, number]): Change | null {
    const width = this.#kind.keyOf(0).length;
    const made = this.#values(keyTo ?? 0, value) as Tuple;
    const target = keyTo === null ? [...row.slice(0, width), ...made.slice(width)] : made;
    // A value that is not sent keeps what it was; only where the key is known does the source leave values out.
    const keeps = this.#kind.keyed && unsent > 0 ? width + unsent - 1 : -1;
    const after = target.map((cell, i) => (i === keeps ? (row[i] as Cell) : cell));
    if (!this.#free(after, row)) return null;
    this.rows = this.rows.map((other) => (other === row ? after : other));
    const sent: PartialTuple = after.map((cell, i) => (i === keeps ? UNCHANGED : cell));
    const moved = after.slice(0, width).some((cell, i) => cell !== row[i]);
    const isFull = this.#relation.identity.kind === 'full';
    return this.#feed.update(this.#relation, sent, moved || isFull ? this.#old(row) : null);
  }

  #old(row: Tuple) {
    if (this.#relation.identity.kind === 'full') return full(...row);
    const width = this.#kind.keyOf(0).length;
    return key(...row.map((cell, i) => (i < width ? cell : null)));
  }
}

test('the sink makes of any history what its changes one by one make', async () => {
  const db = await database(shared);
  const client = new pg.Client({
    connectionString: db.url,
    types: { getTypeParser: () => (v: unknown) => v } as never,
  });
  await client.connect();
  await using stack = new AsyncDisposableStack();
  stack.defer(() => client.end());
  let tables = 0;
  await using sink = sinkFor(db.url);
  const feed = new Feed();
  await sink.resume(never);
  for (const kind of kinds) {
    await fc.assert(
      fc.asyncProperty(
        steps,
        fc.array(fc.tuple(fc.integer({ min: 1, max: 120 }), fc.nat(3)), { minLength: 1, maxLength: 6 }),
        async (history, cuts) => {
          const table = `${kind.name}_${tables++}`;
          await client.query(`CREATE TABLE ${table} (${kind.ddl})`);
          const relation = await relationOf(db.url, 'public', table, kind.identity);
          const fed = kind.ddl.includes('extra') ? { ...relation, columns: relation.columns.slice(0, 3) } : relation;
          const model = new Model(kind, fed, feed);
          const changes = history.map((step) => model.next(step)).filter((change) => change !== null);
          for (let from = 0, cut = 0; from < changes.length; cut++) {
            const [size, open] = cuts[cut % cuts.length] as [number, number];
            const part = changes.slice(from, from + size);
            from += part.length;
            await sink.write(feed.batch(part, open === 0 && from < changes.length), never);
          }
          const names = fed.columns.map((column) => `${column.name}::text`).join(', ');
          const { rows } = await client.query({ text: `SELECT ${names} FROM ${table}`, rowMode: 'array' });
          const sorted = (of: readonly unknown[]) => of.map((row) => JSON.stringify(row)).sort();
          assert.deepEqual(sorted(rows), sorted(model.rows));
        },
      ),
      {
        numRuns: Number(process.env['PGSLUICE_RUNS'] ?? 8),
        seed: Number(process.env['PGSLUICE_SEED'] ?? 20),
        endOnFailure: false,
      },
    );
  }
  assert.equal(await sink.flush(never), feed.last);
});
