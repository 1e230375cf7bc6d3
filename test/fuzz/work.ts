import type { Random } from '../support/chaos/random.ts';
import { alter } from './ddl.ts';
import type { Feature } from './features.ts';
import type { Members } from './members.ts';
import type { Made } from './schema.ts';
import type { Row, Statement, Step, Value, Where } from './script.ts';
import { valueOf } from './values.ts';

interface WorkOptions {
  readonly on: (feature: Feature) => boolean;
  readonly ddl: { readonly major: number } | null;
  readonly members: Members | null;
}

/** Statements of several connections, their transactions interleaved. */
export class Work {
  readonly steps: Step[] = [];
  readonly #random: Random;
  readonly #tables: Made[];
  readonly #ddl: { readonly major: number } | null;
  readonly #members: Members | null;
  readonly #on: (feature: Feature) => boolean;
  readonly #open: (number | null)[] = [null, null, null];
  readonly #prepared = new Set<string>();
  #names = 0;

  /** `ddl`: tables may change their shape; null where the file does not follow that. `members`: trees may change theirs. */
  constructor(random: Random, tables: readonly Made[], { on, ddl, members }: WorkOptions) {
    this.#random = random;
    this.#tables = [...tables];
    this.#on = on;
    this.#ddl = ddl;
    this.#members = members;
  }

  /** Rows that are there before the first run. */
  fill(): void {
    for (const made of this.#tables) {
      if (this.#random.chance(0.1)) continue;
      const rows = Array.from({ length: this.#random.int(1, 10) }, () => this.#row(made));
      for (const row of rows) this.#do(0, { op: 'insert', table: made.table.id, rows: [row] });
      if (this.#random.chance(0.12))
        for (const statement of this.#bulk(made, this.#random.pick([300, 3000]))) this.#do(0, statement);
    }
  }

  /** About so many steps; transactions may be left open for the next call. */
  some(count: number): void {
    for (let i = 0; i < count; i++) {
      this.#next();
      if (this.#members?.due() === true) this.#move(this.#members);
    }
  }

  endAll(): void {
    for (const on of this.#open.keys()) if (this.#open[on] !== null) this.#end(on);
    for (const name of this.#prepared) this.#second(name);
  }

  #do(on: number, statement: Statement): void {
    this.steps.push({ op: 'do', on, statement });
  }

  #next(): void {
    const random = this.#random;
    const on = random.int(0, this.#open.length - 1);
    const depth = this.#open[on]!;
    const prepared = [...this.#prepared];
    if (prepared.length > 0 && depth === null && random.chance(0.2)) return this.#second(random.pick(prepared));
    if (depth === null && random.chance(0.5)) {
      this.steps.push({ op: 'begin', on, guarded: random.chance(0.4) });
      this.#open[on] = 0;
    }
    if (this.#open[on] !== null) {
      const choice = random.next();
      if (choice < 0.18) return this.#end(on);
      if (choice < 0.3) return this.#savepoint(on);
    }
    for (const statement of this.#statements()) this.#do(on, statement);
    if (this.#ddl !== null && random.chance(0.12) && this.#open.every((one) => one === null))
      this.#alter(this.#ddl.major);
  }

  /** Alone, or in one transaction with rows before and after it; nothing else is open, so that nothing waits. */
  #alter(major: number): void {
    const random = this.#random;
    const at = random.int(0, this.#tables.length - 1);
    const before = this.#tables[at]!;
    const altered = before.table.inherits === undefined ? alter(before, { random, major, fresh: ++this.#names }) : null;
    if (altered === null) return;
    const together = random.chance(0.5);
    if (together) {
      this.steps.push({ op: 'begin', on: 0, guarded: false });
      if (random.chance(0.5)) this.#do(0, this.#update(before));
    }
    this.#do(0, altered.statement);
    this.#tables[at] = altered.made;
    if (!together) return;
    this.#do(0, random.chance(0.5) ? this.#insert(altered.made) : this.#update(altered.made));
    const kept = random.chance(0.85);
    this.steps.push({ op: kept ? 'commit' : 'rollback', on: 0 });
    if (!kept) this.#tables[at] = before;
  }

  /** Whatever is open ends first, so that nothing waits. */
  #move(members: Members): void {
    this.endAll();
    const moved = members.change(this.#tables);
    if (moved === null) return;
    for (const statement of moved.statements) this.#do(0, statement);
    this.#tables[this.#tables.findIndex(({ table }) => table.id === moved.made.table.id)] = moved.made;
  }

  #end(on: number): void {
    const random = this.#random;
    this.#open[on] = null;
    if (this.#on('twophase') && random.chance(0.1)) {
      const name = `two ${++this.#names}`;
      this.#prepared.add(name);
      this.steps.push({ op: 'prepare', on, name });
    } else this.steps.push({ op: random.chance(0.15) ? 'rollback' : 'commit', on });
  }

  #second(name: string): void {
    this.#prepared.delete(name);
    this.steps.push({ op: this.#random.chance(0.75) ? 'commit prepared' : 'rollback prepared', on: 0, name });
  }

  #savepoint(on: number): void {
    const depth = this.#open[on]!;
    if (depth === 0 || this.#random.chance(0.5)) {
      this.steps.push({ op: 'savepoint', on, name: `s${depth}` });
      this.#open[on] = depth + 1;
    } else {
      this.steps.push({ op: this.#random.pick(['release', 'rollback to']), on, name: `s${depth - 1}` });
      this.#open[on] = depth - 1;
    }
  }

  #statements(): readonly Statement[] {
    const random = this.#random;
    const made = random.pick(this.#tables);
    const make = random.weighted<() => readonly Statement[]>([
      [5, () => [this.#insert(made)]],
      [5, () => [this.#update(made)]],
      [2, () => [{ op: 'delete', table: made.table.id, where: this.#where(made, 0.05) }]],
      [1, () => this.#shift(made)],
      [1, () => this.#exchange(made)],
      [this.#on('copy') ? 0.8 : 0, () => [this.#copy(made)]],
      [this.#on('truncate') ? 0.25 : 0, () => [this.#truncate(made)]],
      [this.#on('large') ? 0.15 : 0, () => this.#bulk(made, random.pick([50, 500, 4000]))],
    ]);
    return make();
  }

  #insert(made: Made): Statement {
    const random = this.#random;
    const rows = Array.from(
      {
        length: random.weighted([
          [5, 1],
          [2, 3],
          [1, 8],
        ] as const),
      },
      () => this.#row(made),
    );
    const statement = { op: 'insert', table: made.table.id, rows } as const;
    // ON CONFLICT takes no key that is checked later.
    if (made.table.keys.some(({ deferrable }) => deferrable !== undefined)) return statement;
    const choice = random.next();
    if (choice < 0.35) return { ...statement, conflict: { do: 'nothing' } };
    const set = Object.keys(rows[0]!).filter((name) => !made.key.includes(name));
    if (choice < 0.6 && made.key.length > 0 && set.length > 0)
      return {
        ...statement,
        conflict: {
          do: 'update',
          columns: made.key,
          set: set
            .filter(() => random.chance(0.6))
            .concat(set[0]!)
            .slice(0, 9)
            .filter((name, i, list) => list.indexOf(name) === i),
        },
      };
    return statement;
  }

  #copy(made: Made): Statement {
    const rows = Array.from({ length: this.#random.int(1, 6) }, () => this.#row(made));
    // An expression has no text for COPY.
    const plain = rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => [name, typeof value === 'object' && value !== null ? 'x' : value]),
      ),
    );
    return { op: 'copy', table: made.table.id, rows: plain };
  }

  #update(made: Made): Statement {
    const random = this.#random;
    const names = [...made.choices.keys()].filter((name) => !always(made, name));
    if (names.length === 0) return this.#insert(made);
    const others = names.filter((name) => !made.key.includes(name));
    const from = others.length > 0 && random.chance(0.8) ? others : names;
    const chosen = from.filter(() => random.chance(0.4));
    if (chosen.length === 0) chosen.push(random.pick(from));
    const set = Object.fromEntries(chosen.map((name) => [name, this.#value(made, name)]));
    return { op: 'update', table: made.table.id, set, where: this.#where(made, 0.1) };
  }

  /** Every key moves at once, where it is a number. */
  #shift(made: Made): readonly Statement[] {
    const name = this.#numberKey(made);
    if (name === null) return [this.#update(made)];
    const quoted = `"${name.replaceAll('"', '""')}"`;
    const sql = this.#random.pick([
      `${quoted} + 1`,
      `${quoted} - 1`,
      `-${quoted}`,
      `${quoted} + 100`,
      `10 - ${quoted}`,
    ]);
    return [
      {
        op: 'update',
        table: made.table.id,
        set: { [name]: { sql } },
        where: this.#random.chance(0.7) ? { all: true } : this.#where(made, 0),
      },
    ];
  }

  /** A swap, or a rotation of three, by way of a key that nobody else uses. */
  #exchange(made: Made): readonly Statement[] {
    const name = this.#numberKey(made);
    if (name === null) return [this.#update(made)];
    const random = this.#random;
    const keys = Array.from({ length: random.int(2, 3) }, () => random.int(1, 8));
    const path = [keys[0]!, 77, ...keys.slice(1).flatMap((key, i) => [key, keys[i]!]), 77, keys.at(-1)!];
    const pairs = Array.from({ length: path.length / 2 }, (_, i) => [path[2 * i]!, path[2 * i + 1]!] as const);
    return pairs.map(([from, to]) => ({
      op: 'update',
      table: made.table.id,
      set: { [name]: String(to) },
      where: { equal: { [name]: String(from) } },
    }));
  }

  #numberKey(made: Made): string | null {
    const numbers = [...made.key, ...(made.choices.has('second') ? ['second'] : [])].filter(
      (name) =>
        ['integer', 'bigint', 'smallint', 'numeric'].includes(made.choices.get(name)?.type ?? '') &&
        !always(made, name),
    );
    return numbers.length === 0 ? null : this.#random.pick(numbers);
  }

  #truncate(made: Made): Statement {
    const random = this.#random;
    const more = random.chance(0.3) ? [random.pick(this.#tables).table.id] : [];
    const tables = [...new Set([made.table.id, ...more])];
    return {
      op: 'truncate',
      tables,
      ...(random.chance(0.5) ? { cascade: true } : {}),
      ...(random.chance(0.3) ? { restart: true } : {}),
    };
  }

  /** Many rows at once, where the key counts; elsewhere many copies of one row. */
  #bulk(made: Made, count: number): readonly Statement[] {
    const name = this.#numberKey(made);
    const row = this.#row(made);
    // The table's other key columns make room for the count.
    if (
      made.key.length > 0 &&
      (name === null || !made.key.includes(name) || made.choices.get(name)?.type === 'smallint')
    )
      return [this.#insert(made)];
    const long = Object.fromEntries(
      Object.entries(row).map(([column, value]) => [column, typeof value === 'object' && value !== null ? 'x' : value]),
    );
    return [
      {
        op: 'bulk',
        table: made.table.id,
        count,
        row:
          name === null || !made.key.includes(name)
            ? long
            : { ...long, [name]: { sql: `i + ${this.#random.int(0, 2000)}` } },
      },
    ];
  }

  #row(made: Made): Row {
    const row: Record<string, Value> = {};
    for (const name of made.choices.keys()) {
      const column = made.table.columns.find((one) => one.name === name);
      const counted = column?.identity !== undefined || column?.type === 'serial';
      if (counted && this.#random.chance(0.6)) continue;
      if (!made.required.has(name) && this.#random.chance(0.08)) continue;
      row[name] = this.#value(made, name);
    }
    return row;
  }

  #value(made: Made, name: string): Value {
    const choice = made.choices.get(name)!;
    if (!made.required.has(name) && choice.type !== 'serial' && this.#random.chance(0.15)) return null;
    const small = made.key.includes(name) || name === 'second' || name === 'ref' || name === 'n';
    return small ? this.#random.pick(choice.values) : valueOf(choice, this.#random);
  }

  #where(made: Made, all: number): Where {
    const random = this.#random;
    if (random.chance(all)) return { all: true };
    if (made.key.length === 0 || random.chance(0.15)) return { first: random.int(1, 2), skip: random.int(0, 5) };
    const names = random.chance(0.15) ? [random.pick(made.key)] : made.key;
    return { equal: Object.fromEntries(names.map((name) => [name, random.pick(made.choices.get(name)!.values)])) };
  }
}

/** It cannot be updated. */
const always = ({ table }: Made, name: string): boolean =>
  table.columns.some((column) => column.name === name && column.identity === 'ALWAYS');
