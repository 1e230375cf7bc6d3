import pg from 'pg';
import type { Column } from '../../core/postgres/relation.ts';
import { handRow } from './expr-cases.ts';
import type { TestServer } from './servers.ts';
import { columnName, columnType, type Kind, kinds, pools, quote, type Random } from './expr-values.ts';

export type Outcome = { readonly value: string | null } | { readonly state: string };

/** A session set as pgsluice sets its own, with a table of generated rows. */
export class ExpressionServer implements AsyncDisposable {
  readonly #client: pg.Client;
  private constructor(client: pg.Client) {
    this.#client = client;
  }
  static async open(on: TestServer): Promise<ExpressionServer> {
    const client = new pg.Client({
      connectionString: on.url(),
      types: { getTypeParser: () => (value: unknown) => value } as unknown as pg.CustomTypesConfig,
    });
    await client.connect();
    await client.query(
      "SET DateStyle = 'ISO, YMD'; SET TimeZone = 'UTC'; SET extra_float_digits = 3; SET search_path = pg_catalog, pg_temp",
    );
    await client.query(runner);
    const columns = kinds.map((kind) => `${columnName(kind)} ${columnType[kind] ?? kind}`);
    await client.query(`CREATE TEMP TABLE r (id int4, ${columns.join(', ')})`);
    return new ExpressionServer(client);
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.#client.end();
  }

  /** Columns as the catalog part would describe them. */
  async columns(): Promise<readonly Column[]> {
    const { rows } = await this.#client.query<{ name: string; type: string; typmod: string; label: string }>(
      `SELECT attname AS name, atttypid AS type, atttypmod AS typmod, format_type(atttypid, atttypmod) AS label
       FROM pg_attribute WHERE attrelid = 'pg_temp.r'::regclass AND attnum > 1 ORDER BY attnum`,
    );
    return rows.map((row) =>
      testColumn(row.name, Number(row.type), { typmod: Number(row.typmod), typeName: row.label }),
    );
  }

  /** New rows; returned as the server prints them. */
  async refill(random: Random, count: number): Promise<readonly (readonly (string | null)[])[]> {
    const cell = (kind: Kind): string => (random.chance(15) ? 'NULL' : quote(random.pick(pools[kind])));
    const rows = Array.from(
      { length: count },
      (_, i) => `(${[i, ...kinds.map((kind) => `${cell(kind)}::${columnType[kind] ?? kind}`)].join(', ')})`,
    );
    return this.#replace(rows);
  }

  async #replace(rows: readonly string[]): Promise<readonly (readonly (string | null)[])[]> {
    await this.#client.query(`TRUNCATE pg_temp.r; INSERT INTO pg_temp.r VALUES ${rows.join(', ')}`);
    const text = `SELECT ${kinds.map(columnName).join(', ')} FROM pg_temp.r ORDER BY id`;
    return (await this.#client.query<string[]>({ text, rowMode: 'array' })).rows;
  }

  /** The one row of hand-written cases. */
  async single(): Promise<readonly (readonly (string | null)[])[]> {
    const cells = kinds.map((kind) => {
      const text = handRow[kind] ?? null;
      return text === null ? 'NULL' : `${quote(text)}::${columnType[kind] ?? kind}`;
    });
    return this.#replace([`(0, ${cells.join(', ')})`]);
  }
  async count(predicate: string): Promise<number> {
    const { rows } = await this.#client.query<{ n: string }>(`SELECT count(*) AS n FROM pg_temp.r WHERE ${predicate}`);
    return Number(rows[0]?.n);
  }

  /** Value or SQLSTATE of every expression on every row. */
  async evaluate(expressions: readonly string[]): Promise<readonly (readonly Outcome[])[]> {
    const { rows } = await this.#client.query<{ out: string }>(
      'SELECT array_to_json(o) AS out FROM pg_temp.run($1) AS t(o)',
      [expressions],
    );
    return rows.map((row) => (JSON.parse(row.out) as (string | null)[]).map(outcome));
  }
}
const outcome = (text: string | null): Outcome =>
  text === null ? { value: null } : text.startsWith('!') ? { state: text.slice(1) } : { value: text.slice(1) };

export function testColumn(name: string, type: number, more: Partial<Column> = {}): Column {
  return {
    name,
    type,
    typmod: -1,
    typeName: 'unused',
    typeKind: 'base',
    baseType: type,
    notNull: false,
    generated: 'never',
    identity: 'never',
    binarySafe: true,
    ...more,
  };
}

/**
 * Runs expressions over all rows; one that fails runs again row by row, each in a subtransaction. A value comes back as
 * `=text`, an error as `!SQLSTATE`. concat prints by the type's output function, as COPY does.
 */
const runner = `CREATE FUNCTION pg_temp.run(expressions text[]) RETURNS SETOF text[] LANGUAGE plpgsql AS $$
DECLARE expression text; query text; item text; result text[]; ids int[]; k int;
BEGIN
  SELECT array_agg(id ORDER BY id) INTO ids FROM pg_temp.r;
  FOREACH expression IN ARRAY expressions LOOP
    query := 'SELECT array_agg(CASE WHEN num_nulls(v) = 1 THEN NULL ELSE concat(''='', v) END ORDER BY id)
      FROM (SELECT id, ' || expression || ' AS v FROM pg_temp.r WHERE id = ANY ($1) OFFSET 0) s';
    BEGIN
      EXECUTE query INTO result USING ids;
    EXCEPTION WHEN OTHERS THEN
      result := ARRAY[]::text[];
      FOREACH k IN ARRAY ids LOOP
        BEGIN
          EXECUTE 'SELECT (' || query || ')[1]' INTO item USING ARRAY[k];
        EXCEPTION WHEN OTHERS THEN item := '!' || SQLSTATE;
        END;
        result := result || item;
      END LOOP;
    END;
    RETURN NEXT result;
  END LOOP;
END $$`;
