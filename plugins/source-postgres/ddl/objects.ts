import type { TablesOption } from '../../../core/api/schemas.ts';
import { quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';

/** The parameters of the objects on the source. */
export interface DdlObjects {
  readonly pipeline: string;
  readonly publication: string;
  /** Prefix of the names of the objects. */
  readonly prefix: string;
  readonly tables: TablesOption;
  /** Comment on each of the objects. */
  readonly mark: string;
  /** Major version of the server. */
  readonly major: number;
}

export const schema = 'pgsluice';

export function objectNames(prefix: string) {
  const of = (what: string) => `${schema}.${quoteIdent(`${prefix}_${what}`)}`;
  return {
    memory: of('shape'),
    describe: of('describe'),
    parts: of('parts'),
    tell: of('tell'),
    chosen: of('chosen'),
    seen: of('seen'),
    stored: of('stored'),
    types: of('types'),
    look: of('look'),
    functions: [of('ddl'), of('drop'), of('rewrite')] as const,
    /** Not quoted. */
    triggers: ['ddl', 'drop', 'rewrite'].map((what) => `${prefix}_${what}`),
  };
}

/** For existing objects: which ones exist depends on the user's privileges. */
export function markSql({ prefix, mark }: DdlObjects): string[] {
  const { memory, triggers } = objectNames(prefix);
  const said = quoteLiteral(mark);
  const functions = functionsOf(prefix).map(
    (name) =>
      `IF to_regprocedure(${quoteLiteral(name)}) IS NOT NULL THEN COMMENT ON FUNCTION ${name} IS ${said}; END IF;`,
  );
  const marked = triggers.map(
    (
      name,
    ) => `IF EXISTS (SELECT FROM pg_catalog.pg_event_trigger WHERE evtname = ${quoteLiteral(name)} AND pg_catalog.pg_has_role(evtowner, 'USAGE'))
      THEN COMMENT ON EVENT TRIGGER ${quoteIdent(name)} IS ${said}; END IF;`,
  );
  return [
    `COMMENT ON TABLE ${memory} IS ${said}`,
    `DO ${quoteLiteral(`BEGIN ${[...functions, ...marked].join('\n')} END`)}`,
  ];
}

/** With their arguments: every function that either method creates. */
export function functionsOf(prefix: string): readonly string[] {
  const { describe, parts, tell, chosen, seen, stored, types, look, functions } = objectNames(prefix);
  const ofTable = [describe, parts, chosen, seen, stored, types].map((name) => `${name}(oid)`);
  return [...[...functions, look].map((name) => `${name}()`), ...ofTable, `${tell}(oid[],text)`];
}
