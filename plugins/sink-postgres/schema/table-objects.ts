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

/** What of a dump belongs to these tables alone: columns' sequences, indexes, constraints, comments, grants. In its order. */
export function objectsOfTables(objects: readonly SchemaObject[], tables: readonly Table[]): readonly SchemaObject[] {
  const matchers = tables.map(matcher);
  const taken = new Set<SchemaObject>();
  for (const object of objects) if (matchers.some((belongs) => belongs(object))) taken.add(object);
  // Sequences come before the statement that says whose they are; attached indexes after the index.
  const names = new Set([...taken].map((object) => `${object.schema}.${object.name}`));
  return objects.filter(
    (object) =>
      taken.has(object) ||
      ((object.type === 'SEQUENCE' || object.type === 'INDEX ATTACH') && names.has(`${object.schema}.${object.name}`)),
  );
}

function matcher(table: Table): (object: SchemaObject) => boolean {
  const { schema, name } = table;
  const sql = [qualifiedBare(table), `${quoteIdent(schema)}.${quoteIdent(name)}`];
  const mentions = (text: string, before: string, after: string) =>
    sql.some((each) => text.includes(`${before}${each}${after}`));
  return (object) => {
    if (object.schema !== schema) return false;
    if (ofTable.has(object.type)) return object.name === name || object.name.startsWith(`${name} `);
    if (object.type === 'SEQUENCE OWNED BY') return mentions(object.sql, 'OWNED BY ', '.');
    // An identity column's sequence is made by ALTER TABLE.
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

/** As pg_dump writes a name that needs no quotes. */
function qualifiedBare({ schema, name }: Table): string {
  const bare = (word: string) => (/^[a-z_][a-z0-9_]*$/.test(word) ? word : quoteIdent(word));
  return `${bare(schema)}.${bare(name)}`;
}
