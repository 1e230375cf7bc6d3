import type { SchemaObject } from '../../../core/api/snapshot.ts';

/** Types that pg_dump puts after the data (pg_dump manual: --section), beside what follows them in the output. */
const postData: ReadonlySet<string> = new Set([
  'INDEX',
  'INDEX ATTACH',
  'STATISTICS',
  'CONSTRAINT',
  'CHECK CONSTRAINT',
  'FK CONSTRAINT',
  'TRIGGER',
  'RULE',
  'EVENT TRIGGER',
  'POLICY',
  'ROW SECURITY',
  'PUBLICATION',
  'PUBLICATION TABLE',
  'PUBLICATION TABLES IN SCHEMA',
]);

const header = /^--\n-- Name: (.*); Type: (.*); Schema: (.*); Owner: (.*)\n--\n/;
const accessMethod = /^SET default_table_access_method = (.+);\n/gm;
const usesAccessMethod: ReadonlySet<string> = new Set(['TABLE', 'MATERIALIZED VIEW']);

/**
 * Splits pg_dump's plain output into its objects, in order of creation; each can run by itself, in a session with an
 * empty search_path and check_function_bodies off (the preamble's other settings are our defaults). Once the first
 * object of the post-data section has come, all are in that section: comments and grants have no section of their own.
 */
export function parseDump(text: string): readonly SchemaObject[] {
  const objects: SchemaObject[] = [];
  let section: SchemaObject['section'] = 'pre-data';
  let method = 'heap';
  for (const part of text.split(/^(?=--\n-- Name: .*; Type: )/m)) {
    const match = header.exec(part);
    const body = clean(match === null ? part : part.slice(match[0].length));
    if (match !== null) {
      const [, name, type, schema, owner] = match as unknown as [string, string, string, string, string];
      if (postData.has(type)) section = 'post-data';
      const own = body.replace(accessMethod, '').trim();
      const sql = method !== 'heap' && usesAccessMethod.has(type) ? withAccessMethod(method, own) : own;
      objects.push({ type, schema: orNull(schema), name, owner: orNull(owner), section, sql });
    }
    // The setting follows an object, and applies to later ones.
    for (const set of body.matchAll(accessMethod)) method = set[1]!;
  }
  return objects.filter((object) => object.sql !== '');
}

function orNull(text: string): string | null {
  return text === '-' || text === '' ? null : text;
}

function withAccessMethod(method: string, sql: string): string {
  return `SET default_table_access_method = ${method};\n${sql}\nSET default_table_access_method = heap;`;
}

/**
 * Output of psql or of some builds that no other server accepts: \restrict lines, the `pg_attver` that 15.20 of one
 * distribution stores with every column, settings of newer servers, and the closing comments.
 */
function clean(sql: string): string {
  return sql
    .replace(/^\\(?:un)?restrict\b.*\n?/gm, '')
    .replace(/^SET transaction_timeout = .*;\n?/gm, '')
    .replace(/^ALTER TABLE (?:ONLY )?.* ALTER COLUMN .* SET \(pg_attver='?\d+'?\);\n?/gm, '')
    .replace(/(?:, pg_attver='?\d+'?)(?=[,)])|(?<=\()pg_attver='?\d+'?, /g, '')
    .replace(/^--\n-- (?:PostgreSQL database dump complete|TOC entry .*)\n--\n?/gm, '');
}

/** Leaves out our own publication and schema, and every subscription (it would start to replicate on the target). */
export function withoutOurs(objects: readonly SchemaObject[], publication: string): readonly SchemaObject[] {
  const ours = new Set([publication, `PUBLICATION ${publication}`, `PUBLICATION ${quoteIfNeeded(publication)}`]);
  const triggers = objects.filter(isOurEventTrigger).map(({ name }) => name);
  // An entry about an object (COMMENT, ACL) has the object's kind before its name.
  const said = new Set(triggers.flatMap((name) => [`EVENT TRIGGER ${name}`, `EVENT TRIGGER ${quoteIfNeeded(name)}`]));
  return objects.filter((object) => {
    if (object.type.startsWith('SUBSCRIPTION') || object.schema === 'pgsluice') return false;
    if (isOurEventTrigger(object) || said.has(object.name) || object.name === 'SCHEMA pgsluice') return false;
    if (object.type === 'SCHEMA' && object.name === 'pgsluice') return false;
    if (object.type === 'PUBLICATION' || object.name.startsWith('PUBLICATION ')) return !ours.has(object.name);
    if (!object.type.startsWith('PUBLICATION ')) return true;
    // "<publication> <table>" or "<publication> <schema>" in the header; the statement identifies the publication
    // exactly.
    return !object.sql.startsWith(`ALTER PUBLICATION ${quoteIfNeeded(publication)} ADD `);
  });
}

function isOurEventTrigger({ type, sql }: SchemaObject): boolean {
  return type === 'EVENT TRIGGER' && sql.includes('EXECUTE FUNCTION pgsluice.');
}

/** As pg_dump quotes a name that is no reserved word. */
export function quoteIfNeeded(name: string): string {
  return /^[a-z_][a-z0-9_]*$/.test(name) ? name : `"${name.replaceAll('"', '""')}"`;
}
