import type { Random } from '../support/chaos/random.ts';
import { ident, qualified } from './print.ts';
import type { Made } from './schema.ts';
import type { Member, Split, Statement, Table } from './script.ts';
import type { TypeChoice } from './values.ts';

/** A change of the tables that the file chooses, and what statements may write afterwards. */
export interface Moved {
  readonly statements: readonly Statement[];
  readonly made: Made;
}

interface Branch {
  /** The partitioned table that the member belongs to. */
  readonly parent: string;
  readonly split: Split;
  readonly member: Member;
}

/**
 * Members that come, go and come back, and new tables: no file asks for DDL to be followed here, so these are followed in
 * every mode. Knows which members are detached; a statement that was left out by the shrinker makes later ones fail, no more.
 */
export class Members {
  readonly #random: Random;
  readonly #detached = new Map<string, Branch>();
  readonly #apart = new Set<string>();
  readonly #created: string[] = [];
  #fresh = 0;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A change is due after this statement. */
  due(): boolean {
    return this.#random.chance(0.05);
  }

  /** Null: the table that was chosen has nothing to change. */
  change(tables: readonly Made[]): Moved | null {
    const random = this.#random;
    const made = random.pick(tables);
    const { table } = made;
    this.#fresh++;
    if (table.split !== undefined) return this.#inTree(made, table.split);
    const parent = tables.find(({ table: { id } }) => id === table.inherits);
    if (parent !== undefined) return this.#inherit(made, parent.table);
    return random.chance(0.5) ? { statements: this.#plain(table), made } : null;
  }

  #inTree(made: Made, split: Split): Moved | null {
    const random = this.#random;
    const { table } = made;
    const branches = branchesOf(table, qualified(table), split);
    const away = branches.filter(({ member }) => this.#detached.has(memberName(table, member)));
    if (away.length > 0 && random.chance(0.5)) return { statements: [this.#attach(table, random.pick(away))], made };
    if (random.chance(0.5)) {
      const there = branches.filter((branch) => !away.includes(branch));
      if (there.length > 0) return { statements: this.#detach(table, random.pick(there)), made };
    }
    return this.#member(made, split);
  }

  #detach(table: Table, branch: Branch): readonly Statement[] {
    const name = memberName(table, branch.member);
    this.#detached.set(name, branch);
    const out = sql(table, `ALTER TABLE ${branch.parent} DETACH PARTITION ${name}`);
    if (this.#random.chance(0.5)) return [out];
    return [out, sql(table, `DELETE FROM ${name} WHERE ctid IN (SELECT ctid FROM ${name} LIMIT 1)`)];
  }

  #attach(table: Table, { parent, member }: Branch): Statement {
    const name = memberName(table, member);
    this.#detached.delete(name);
    return sql(table, `ALTER TABLE ${parent} ATTACH PARTITION ${name} ${member.bound}`);
  }

  /** A partition that was not there before: made within the tree, or filled first and then attached. */
  #member(made: Made, split: Split): Moved | null {
    const { table } = made;
    if (split.by === 'HASH') return null;
    const random = this.#random;
    const name = `${ident(table.schema)}.${ident(`m${this.#fresh}_${table.id}`)}`;
    const at = 100 + this.#fresh * 10;
    const value = split.by === 'LIST' ? `z${this.#fresh}` : String(at);
    const bound = split.by === 'LIST' ? `FOR VALUES IN ('${value}')` : `FOR VALUES FROM (${at}) TO (${at + 10})`;
    const full = table.identity === 'FULL' ? `; ALTER TABLE ${name} REPLICA IDENTITY FULL` : '';
    const choice = made.choices.get(split.column)!;
    const choices = new Map<string, TypeChoice>([
      ...made.choices,
      [split.column, { ...choice, values: [...choice.values, value, value] }],
    ]);
    const statements = random.chance(0.5)
      ? [sql(table, `CREATE TABLE ${name} PARTITION OF % ${bound}${full}`)]
      : [
          sql(table, `CREATE TABLE ${name} (LIKE % INCLUDING ALL)${full}`),
          sql(table, filled(made, { name, column: split.column, value })),
          sql(table, `ALTER TABLE % ATTACH PARTITION ${name} ${bound}`),
        ];
    return { statements, made: { ...made, choices } };
  }

  #inherit(made: Made, parent: Table): Moved {
    const { table } = made;
    const apart = this.#apart.delete(table.id);
    if (!apart) this.#apart.add(table.id);
    return { statements: [sql(table, `ALTER TABLE % ${apart ? '' : 'NO '}INHERIT ${qualified(parent)}`)], made };
  }

  #plain(table: Table): readonly Statement[] {
    const random = this.#random;
    if (this.#created.length > 0 && random.chance(0.5))
      return [sql(table, `INSERT INTO ${random.pick(this.#created)} (v) SELECT 'more' FROM generate_series(1, 3)`)];
    const name = `public.new${this.#fresh}`;
    this.#created.push(name);
    const rows = sql(
      table,
      `INSERT INTO ${name} (v) SELECT 'row ' || i FROM generate_series(1, ${random.int(1, 40)}) i`,
    );
    const create = sql(table, `CREATE TABLE ${name} (id serial PRIMARY KEY, v text)`);
    return random.chance(0.7) ? [create, rows] : [create];
  }
}

const sql = (table: Table, text: string): Statement => ({ op: 'ddl', table: table.id, sql: text });

const memberName = (table: Table, member: Member): string => `${ident(table.schema)}.${ident(member.name)}`;

const branchesOf = (table: Table, parent: string, split: Split): readonly Branch[] =>
  split.members.flatMap((member) => [
    { parent, split, member },
    ...(member.split === undefined ? [] : branchesOf(table, memberName(table, member), member.split)),
  ]);

/** Two rows that the new member may hold; the other columns are NULL, or the first value that they may have. */
function filled(made: Made, { name, column, value }: { name: string; column: string; value: string }): string {
  const columns = [...made.required].filter((one) => made.choices.has(one));
  const row = (i: number) =>
    columns.map((one) => {
      if (one === column) return `'${one === 'id' ? Number(value) + i : value}'`;
      return one === 'id' ? `'${200 + i}'` : `'${made.choices.get(one)!.values[0]!.replaceAll("'", "''")}'`;
    });
  return `INSERT INTO ${name} (${columns.map(ident).join(', ')}) VALUES (${row(0).join(', ')}), (${row(1).join(', ')})`;
}
