import { createHash } from 'node:crypto';
import { type ClosingNote, passOn, replaceFunction } from '../../../core/postgres/open-tables.ts';
import { quoteIdent, quoteLiteral } from '../../../core/postgres/quote.ts';

/** Names of the triggers of one pipeline's fence; a slot's name may have the maximum length of a name. */
export interface ClosingNames {
  /** Schema-qualified, quoted, without its arguments. */
  readonly function: string;
  /** Not quoted; trigger names are unique per table only. */
  readonly statement: string;
  readonly row: string;
}

export function closingNames(slot: string): ClosingNames {
  const tail = createHash('sha256').update(slot).digest('hex').slice(0, 12);
  return {
    function: `pgsluice.${quoteIdent(`fence_${tail}`)}`,
    statement: `pgsluice_fence_${tail}`,
    row: `pgsluice_fence_${tail}_row`,
  };
}

/**
 * The function that refuses writes. Its SQLSTATE is that of a read-only transaction (25006), on which drivers look for
 * another server. It lets the reverse pipeline pass, whose sessions are recognised by their application_name. The
 * refusal does not depend on the search_path.
 */
export function closedFunction(names: ClosingNames, note: ClosingNote): string {
  const pass =
    note.admits === null
      ? ''
      : `IF pg_catalog.starts_with(pg_catalog.concat(pg_catalog.current_setting('application_name'), ' '), ${quoteLiteral(`pgsluice ${note.admits} `)}) THEN
           ${passOn}
         END IF;`;
  const body = `BEGIN
      ${pass}
      RAISE EXCEPTION 'table %.% is closed to writes: the database is being moved by pgsluice', tg_table_schema, tg_table_name
        USING ERRCODE = '25006', HINT = ${quoteLiteral(`Write to the new server. Pipeline: ${note.pipeline}.`)};
    END`;
  return `${replaceFunction(names.function, body)};
    COMMENT ON FUNCTION ${names.function}() IS ${quoteLiteral(JSON.stringify(note))}`;
}

/**
 * Closes one table (a name as SQL). ALWAYS: session_replication_role does not bypass it. The statement trigger also
 * stops TRUNCATE, and fires before a default takes a sequence's value; the row trigger also stops a subscription's
 * apply worker, for which statement triggers do not fire. A partitioned table has no rows of its own.
 */
export function closeTable(names: ClosingNames, table: string, hasRows: boolean): string {
  const make = (name: string, events: string, level: string) =>
    `CREATE OR REPLACE TRIGGER ${quoteIdent(name)} BEFORE ${events} ON ${table} FOR EACH ${level} EXECUTE FUNCTION ${names.function}()`;
  const on = (name: string) => `ENABLE ALWAYS TRIGGER ${quoteIdent(name)}`;
  const of = [
    make(names.statement, 'INSERT OR UPDATE OR DELETE OR TRUNCATE', 'STATEMENT'),
    ...(hasRows ? [make(names.row, 'INSERT OR UPDATE OR DELETE', 'ROW')] : []),
  ];
  const enable = [on(names.statement), ...(hasRows ? [on(names.row)] : [])].join(', ');
  return [...of, `ALTER TABLE ONLY ${table} ${enable}`].join('; ');
}
