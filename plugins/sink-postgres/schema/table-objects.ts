import type { SchemaObject } from '../../../core/api/snapshot.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';

/** Types whose header reads `table name`, or the table's name alone. */
const ofTable: ReadonlySet<string> = new Set([
  'TABLE',
  'TABLE ATTACH',
  'DEFAULT',
  'CONSTRAINT',
  'CHECK CONSTRAINT',
  'FK CONSTRAINT',
  'TRIGGER',
  'RULE',
  'POLICY',
  'ROW SECURITY',
]);

interface Table {
  readonly schema: string;
  readonly name: string;
}

/**
 * The objects of a dump that belong to these tables only: columns' sequences, indexes, constraints, comments, grants.
 * In the dump's order. Partitions and their indexes are attached only to parents among these tables: existing parents
 * have indexes and constraints, and an empty partition would get its own twice.
 */
export function objectsOfTables(objects: readonly SchemaObject[], tables: readonly Table[]): readonly SchemaObject[] {
  const { belongs, parent, indexes } = belonging(objects, tables);
  return objects.filter((object) => {
    if (object.type === 'TABLE ATTACH') return belongs(object) && parent(object);
    if (object.type === 'INDEX ATTACH') return indexes(object).every((known) => known);
    return belongs(object);
  });
}

/** The dump without these tables, without their parts, and without objects that tie others to them. */
export function withoutTables(objects: readonly SchemaObject[], tables: readonly Table[]): readonly SchemaObject[] {
  if (tables.length === 0) return objects;
  const { belongs, parent, indexes } = belonging(objects, tables);
  const names = tables.flatMap(spellings);
  return objects.filter((object) => {
    if (belongs(object)) return false;
    if (object.type === 'TABLE ATTACH') return !parent(object);
    if (object.type === 'INDEX ATTACH') return !indexes(object).some((known) => known);
    return object.type !== 'FK CONSTRAINT' || !names.some((name) => object.sql.includes(` REFERENCES ${name}(`));
  });
}

interface Belonging {
  belongs(object: SchemaObject): boolean;
  /** Of TABLE ATTACH: the parent is one of the tables. */
  parent(object: SchemaObject): boolean;
  /** For INDEX ATTACH: whether the parent's and the partition's index belong to the tables. */
  indexes(object: SchemaObject): readonly boolean[];
}

function belonging(objects: readonly SchemaObject[], tables: readonly Table[]): Belonging {
  const matchers = tables.map(matcher);
  const taken = new Set<SchemaObject>();
  for (const object of objects) if (matchers.some((belongs) => belongs(object))) taken.add(object);
  // Sequences come before the statement that names their owner; attached indexes after the index.
  const names = new Set([...taken].map((object) => `${object.schema}.${object.name}`));
  const own = new Set([...taken].flatMap((object) => indexNames(object, tables)));
  const parents = tables.flatMap(spellings);
  return {
    belongs: (object) =>
      taken.has(object) || (object.type === 'SEQUENCE' && names.has(`${object.schema}.${object.name}`)),
    parent: ({ sql }) => parents.some((name) => sql.includes(`ALTER TABLE ONLY ${name} ATTACH PARTITION `)),
    indexes: ({ sql }) => {
      const [, ...pair] = /^ALTER INDEX (.+) ATTACH PARTITION (.+);$/m.exec(sql) ?? [];
      return pair.length === 0 ? [false] : pair.map((name) => own.has(name));
    },
  };
}

/** Names of the index that an object creates, as the dump may write them. */
function indexNames({ type, schema, name }: SchemaObject, tables: readonly Table[]): readonly string[] {
  if (schema === null || (type !== 'INDEX' && type !== 'CONSTRAINT')) return [];
  if (type === 'INDEX') return spellings({ schema, name });
  // A constraint is named by its table and its own name.
  const of = tables.filter((table) => table.schema === schema && name.startsWith(`${table.name} `));
  return of.flatMap((table) => spellings({ schema, name: name.slice(table.name.length + 1) }));
}

function matcher(table: Table): (object: SchemaObject) => boolean {
  const { schema, name } = table;
  const sql = spellings(table);
  const mentions = (text: string, before: string, after: string) =>
    sql.some((each) => text.includes(`${before}${each}${after}`));
  return (object) => {
    if (object.schema !== schema) return false;
    if (ofTable.has(object.type)) return object.name === name || object.name.startsWith(`${name} `);
    if (object.type === 'SEQUENCE OWNED BY') return mentions(object.sql, 'OWNED BY ', '.');
    // An identity column's sequence is created by ALTER TABLE.
    if (object.type === 'SEQUENCE') return mentions(object.sql, 'ALTER TABLE ', ' ALTER COLUMN');
    if (object.type === 'INDEX')
      return mentions(object.sql, ' ON ', ' USING') || mentions(object.sql, ' ON ONLY ', ' USING');
    if (object.type === 'STATISTICS') return mentions(object.sql, ' FROM ', ';');
    if (object.type === 'COMMENT' || object.type === 'ACL') {
      return object.name === `TABLE ${name}` || object.name.startsWith(`COLUMN ${name}.`);
    }
    return false;
  };
}

/** A name as pg_dump may write it: quoted if necessary, part by part. */
function spellings({ schema, name }: Table): readonly string[] {
  const bare = (word: string) => (/^[a-z_][a-z0-9_]*$/.test(word) ? [word, quoteIdent(word)] : [quoteIdent(word)]);
  return bare(schema).flatMap((first) => bare(name).map((second) => `${first}.${second}`));
}
