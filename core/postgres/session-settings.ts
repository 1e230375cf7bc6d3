/**
 * Settings of every session of ours: everything that changes how a value or a definition prints, how text is read, or
 * which rows a query returns, so that both sides mean the same whatever a database or a role sets. This is the only
 * such list.
 */
export const sessionSettings: Readonly<Record<string, string>> = {
  // How values print.
  DateStyle: 'ISO, YMD',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  extra_float_digits: '3',
  bytea_output: 'hex',
  xmlbinary: 'base64',
  // The text of money depends on lc_monetary; to_char of numbers and names of months depend on the other two.
  lc_monetary: 'C',
  lc_numeric: 'C',
  lc_time: 'C',
  // How definitions print: pg_get_viewdef and related functions.
  quote_all_identifiers: 'off',
  // How text is read. Without array_nulls the element NULL of an array is the word NULL.
  array_nulls: 'on',
  standard_conforming_strings: 'on',
  backslash_quote: 'safe_encoding',
  transform_null_equals: 'off',
  timezone_abbreviations: 'Default',
  xmloption: 'content',
  // Which rows a query returns: all of them.
  gin_fuzzy_search_limit: '0',
  // Under row level security a query would silently omit rows; with this setting that is an error (manual:
  // row_security).
  row_security: 'off',
  statement_timeout: '0',
  lock_timeout: '0',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  // A database that a cutover has fenced off, or that is not open yet, is read-only by default, but not for us.
  default_transaction_read_only: 'off',
  // For a walsender, too: the text of regclass, regtype and the like has a schema if it is not in the path.
  search_path: 'pg_catalog',
};
