/** Functions that PostgreSQL has and that an expression over one row must not use, with the alternative. */
interface Forbidden {
  readonly code: 'PGS4105' | 'PGS4106' | 'PGS4107';
  readonly why: string;
}

const clock = 'differs from call to call; use a constant, or a column default on the target';
const random = 'differs from call to call; for a stable stand-in use md5(…) or sha256(…) of a key';
const counters = 'changes the database; let the target number its rows with an identity column or a default';
const aggregate = 'is an aggregate over many rows; an expression sees one row';
const rows = 'returns a set of rows; an expression gives one value';
const session = 'depends on the session; use a constant';

const groups: readonly (readonly [Forbidden['code'], string, string])[] = [
  ['PGS4105', clock, 'now clock_timestamp statement_timestamp transaction_timestamp timeofday'],
  ['PGS4105', clock, 'current_date current_time current_timestamp localtime localtimestamp'],
  [
    'PGS4105',
    random,
    'random setseed random_normal gen_random_uuid gen_random_bytes uuid_generate_v1 uuid_generate_v4 uuidv4 uuidv7',
  ],
  ['PGS4105', counters, 'nextval setval currval lastval'],
  ['PGS4105', session, 'txid_current pg_current_xact_id pg_backend_pid pg_sleep'],
  [
    'PGS4106',
    session,
    'current_setting current_user session_user user current_role current_database current_schema current_catalog version',
  ],
  [
    'PGS4106',
    'depends on locale and DateStyle; use to_char with numbers only, or a cast of ISO text',
    'to_date to_timestamp to_number',
  ],
  [
    'PGS4107',
    aggregate,
    'count sum avg min max array_agg string_agg json_agg jsonb_agg json_object_agg jsonb_object_agg bool_and bool_or every bit_and bit_or stddev variance any_value grouping',
  ],
  ['PGS4107', aggregate, 'row_number rank dense_rank lag lead first_value last_value nth_value ntile'],
  [
    'PGS4107',
    rows,
    'unnest generate_series generate_subscripts regexp_split_to_table regexp_matches string_to_table jsonb_array_elements jsonb_array_elements_text json_array_elements jsonb_each jsonb_each_text json_each jsonb_object_keys json_object_keys',
  ],
];

const forbidden = new Map<string, Forbidden>();
for (const [code, why, list] of groups) for (const name of list.split(' ')) forbidden.set(name, { code, why });

export const forbiddenFunction = (name: string): Forbidden | undefined => forbidden.get(name);
export const forbiddenFunctions: ReadonlyMap<string, Forbidden> = forbidden;

/** Kinds of parse nodes that are SQL but no expression over a row. */
const nodes: Readonly<Record<string, string>> = {
  SubLink: 'a subquery is not possible: only the columns of the row are there; do it in a script transform',
  ParamRef: 'there are no parameters; write the value, or ${NAME} of the pipeline file',
  GroupingFunc: `GROUPING ${aggregate}`,
  RowExpr: 'row constructors are not supported; compare the columns one by one with AND',
  XmlExpr: 'XML is not supported; cast the column to text',
  XmlSerialize: 'XML is not supported; cast the column to text',
  JsonObjectConstructor: 'SQL/JSON constructors are not supported; use jsonb operators',
  JsonArrayConstructor: 'SQL/JSON constructors are not supported; use jsonb operators',
  JsonIsPredicate: 'IS JSON is not supported; use a jsonb column, or a script transform',
  JsonFuncExpr: 'SQL/JSON functions are not supported; use ->, ->>, #> and #>>',
  SetToDefault: 'DEFAULT is not an expression',
  CurrentOfExpr: 'there are no cursors',
  MultiAssignRef: 'assignments are not expressions',
};
export const forbiddenNode = (kind: string): string | undefined => nodes[kind];
