import pg from 'pg';
import type { Relation, RelationKind } from '../../core/postgres/relation.ts';
import { type NamedType, readTypes } from '../../core/postgres/column-types.ts';
import { columnTraits } from '../../core/postgres/columns.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import type { TablesOption } from '../../core/api/schemas.ts';
import { chosenOids } from './catalog/choose.ts';
import { readPublished } from './ddl/published.ts';
import { HeldClient } from './held-client.ts';
import { type SourceAccess, open } from './session.ts';
import { type ColumnDetails, relationFrom } from './stream/relation-of.ts';
import type { WireColumn, WireRelation } from './stream/wire.ts';

interface NowColumn {
  readonly attnum: number;
  readonly traits: ReturnType<typeof columnTraits>;
}

interface CatalogNow {
  readonly kind: RelationKind;
  readonly columns: ReadonlyMap<string, NowColumn>;
  readonly primaryKey: readonly string[];
  readonly deferrableKey: boolean;
}

/**
 * Joins Relation messages with the catalog, over one connection that is opened with the stream and held. Names, types
 * and order are the message's. The catalog is the present one, and may be ahead of the stream: a dropped column is
 * nullable and plain, a dropped type is unknown (and never safe in binary).
 */
export class Describer implements AsyncDisposable {
  readonly #access: SourceAccess;
  readonly #held: HeldClient;
  readonly #patterns: TablesOption;
  /** Whether the publication is FOR ALL TABLES; null: not queried yet. */
  #whole: boolean | null = null;

  constructor(access: SourceAccess, patterns: TablesOption) {
    this.#access = access;
    this.#patterns = patterns;
    this.#held = new HeldClient(() => open(access));
  }

  /** Connects ahead of the first message, which retries if that fails. */
  connect(): void {
    this.#held.connected().catch(() => {});
  }

  /**
   * A message equal to an earlier one may nevertheless follow DDL: a column that was dropped and added again is another
   * column, and only its number shows that. Returns `before` if no column is another.
   */
  async describe(wire: WireRelation, before: Relation | null): Promise<Relation> {
    try {
      const client = await this.#held.connected();
      const now = await readNow(client, wire);
      const attnums = attnumsOf(wire, now);
      if (before !== null && (attnums === null || before.columns.every((column, i) => column.attnum === attnums[i])))
        return before;
      const types = await readTypes(client, wire.columns);
      const columns = wire.columns.map((column, i) => ({
        ...detailsOf(column, types[i]!, now),
        ...(attnums === null ? {} : { attnum: attnums[i]! }),
      }));
      const relation = relationFrom(wire, { ...now, columns });
      return (await this.#isOutside(client, wire)) ? { ...relation, outside: true } : relation;
    } catch (error) {
      this.#held.drop();
      throw fromPg(error, { connection: this.#access.name, table: `${wire.schema}.${wire.name}` });
    }
  }

  /** A dropped table is judged by its name. */
  async #isOutside(client: pg.Client, { oid, schema, name }: WireRelation): Promise<boolean> {
    const { publication } = this.#access;
    const asked = 'SELECT FROM pg_publication WHERE pubname = $1 AND puballtables';
    this.#whole ??= (await client.query(asked, [publication])).rows.length > 0;
    if (!this.#whole) return false;
    if (schema === 'pgsluice') return true;
    const now = (await readPublished(client, publication, this.#patterns)).find((table) => table.oid === oid);
    const alone = { oid, schema, name, parent: null, inherits: [] };
    return !(now?.chosen ?? chosenOids([alone], this.#patterns).has(oid));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#held[Symbol.asyncDispose]();
  }
}

/**
 * Numbers of a message's columns in the present catalog. Columns are in the order of their numbers, so if the present
 * ones are in another order, or some are dropped, the message is older than DDL that the catalog shows: null.
 */
function attnumsOf(wire: WireRelation, now: CatalogNow): readonly number[] | null {
  const attnums = wire.columns.map(({ name }) => now.columns.get(name)?.attnum ?? 0);
  return attnums.every((attnum, i) => attnum > (attnums[i - 1] ?? 0)) ? attnums : null;
}

function detailsOf(column: WireColumn, type: NamedType | null, now: CatalogNow): ColumnDetails {
  const known = now.columns.get(column.name)?.traits ?? { notNull: false, generated: 'never', identity: 'never' };
  if (type !== null) return { ...known, ...type };
  return {
    ...known,
    typeName: column.typeName ?? 'unknown',
    typeKind: 'base',
    baseType: column.type,
    binarySafe: false,
  };
}

async function readNow(client: pg.Client, wire: WireRelation): Promise<CatalogNow> {
  const { rows } = await client.query<string[]>({
    text: `SELECT a.attname, a.attnotnull, a.attgenerated, a.attidentity, coalesce(array_position(i.key, a.attnum), 0),
                  c.relkind, c.relispartition, i.indimmediate,
                  (SELECT pg_get_expr(d.adbin, d.adrelid) FROM pg_attrdef d
                   WHERE d.adrelid = c.oid AND d.adnum = a.attnum AND a.attgenerated = ''), a.attnum
           FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           LEFT JOIN LATERAL (SELECT (string_to_array(indkey::text, ' ')::int2[])[1:indnkeyatts] AS key, indimmediate FROM pg_index
                              WHERE indrelid = c.oid AND indisprimary) i ON true
           WHERE c.oid = $1`,
    values: [wire.oid],
    rowMode: 'array',
  } as unknown as pg.QueryArrayConfig);
  const first = rows[0];
  const kind =
    first === undefined ? 'table' : first[5] === 'p' ? 'partitioned' : first[6] === 't' ? 'partition' : 'table';
  const columns = new Map<string, NowColumn>();
  for (const row of rows as [string, ...string[]][]) {
    const [name, notNull, generated, identity, , , , , expression, attnum] = row;
    columns.set(name, { attnum: Number(attnum), traits: columnTraits({ notNull, generated, identity, expression }) });
  }
  const keyed = rows.filter((row) => row[4] !== '0').sort((a, b) => Number(a[4]) - Number(b[4]));
  return { kind, columns, primaryKey: keyed.map((row) => row[0]!), deferrableKey: first?.[7] === 'f' };
}
