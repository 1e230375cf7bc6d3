import { ident } from './print.ts';
import type { Script, Table } from './script.ts';
import { ask, type Side } from './sides.ts';
import { expectedOf } from './transforms.ts';

/** Something that must not be; faults of one class are the same to the shrinker. */
export interface Fault {
  readonly class: string;
  readonly text: string;
}

interface Relation {
  readonly table: Table;
  readonly columns: readonly { readonly name: string; readonly sql: string; readonly shape: string }[];
}

/** Rows, columns, trees, indexes and constraints of both sides; shares no code with the product. */
export async function compare(script: Script, source: Side, target: Side): Promise<readonly Fault[]> {
  const relations = await relationsOf(script, source);
  const there = new Map((await relationsOf(script, target)).map((relation) => [key(relation.table), relation]));
  const faults: Fault[] = [];
  const compared: { name: string; select: string; target: string; columns: readonly string[] }[] = [];
  for (const { table, columns } of relations) {
    const { name, select, columns: names } = expectedOf(script, table, columns);
    const found = there.get(name);
    if (found === undefined) {
      faults.push({ class: 'difference:table', text: `${name} is not in the target` });
      continue;
    }
    const have = found.columns.map((column) => column.name).sort();
    if (have.join() !== names.toSorted().join())
      faults.push({
        class: 'difference:columns',
        text: `${name}: columns ${have.join()} instead of ${names.toSorted().join()}`,
      });
    else compared.push({ name: key(table), select, target: `SELECT * FROM ONLY ${name}`, columns: names });
    if (!touched(script, table))
      faults.push(...lines('difference:columns', name, shapes(columns), shapes(found.columns)));
  }
  const rows = (sql: (one: (typeof compared)[number]) => string) =>
    compared.map((one) => rowQuery(sql(one), one.columns));
  const [wanted, got] = await Promise.all([
    ask(
      source,
      rows((one) => one.select),
    ),
    ask(
      target,
      rows((one) => one.target),
    ),
  ]);
  for (const [i, { name }] of compared.entries())
    faults.push(...lines('difference:rows', name, flat(wanted[i]!), flat(got[i]!)));
  faults.push(...(await compareCatalogs(script, source, target)));
  return faults;
}

const key = (table: Table): string => `${ident(table.schema)}.${ident(table.name)}`;
const touched = (script: Script, { id }: Table): boolean => script.transforms.some(({ table }) => table === id);
const shapes = (columns: Relation['columns']) => columns.map(({ name, shape }) => `${name} ${shape}`);
const flat = (rows: (string | null)[][]): string[] => rows.map(([row]) => row ?? '');

const rowQuery = (select: string, columns: readonly string[]): string =>
  `SELECT concat_ws(',', ${columns.length === 0 ? `''` : columns.map((name) => `quote_nullable(${ident(name)}::text)`).join(', ')}) FROM (${select}) q`;

/** The tables with rows, with the id that the script has for them. */
async function relationsOf(script: Script, side: Side): Promise<Relation[]> {
  const [rows] = await ask(side, [
    `SELECT n.nspname, c.relname, a.attname,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod), l.collname, a.attnotnull, a.attgenerated, a.attidentity, pg_get_expr(d.adbin, d.adrelid)),
       CASE WHEN a.attcollation <> t.typcollation THEN 'yes' ELSE '' END
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
     LEFT JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation l ON l.oid = a.attcollation AND a.attcollation <> t.typcollation
     LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
     WHERE c.relkind = 'r' AND c.relpersistence <> 't' AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'pgsluice')
     ORDER BY c.oid, a.attnum`,
  ]);
  const found = new Map<string, { table: Table; columns: Relation['columns'][number][] }>();
  for (const [schema, name, column, shape, collated] of rows! as string[][]) {
    const known = script.tables.find((table) => table.schema === schema && table.name === name);
    const table = known ?? ({ id: '', schema, name } as Table);
    const at = found.get(key(table)) ?? { table, columns: [] };
    found.set(key(table), at);
    if (column === null || column === undefined) continue;
    at.columns.push({
      name: column,
      sql: collated === 'yes' ? `${ident(column)} COLLATE "C"` : ident(column),
      shape: shape!,
    });
  }
  return [...found.values()];
}

/** Trees, indexes and constraints; of tables that no transform touches. */
async function compareCatalogs(script: Script, source: Side, target: Side): Promise<readonly Fault[]> {
  const asked = [qualified, ...catalogs];
  const [[, ...before], [, ...found]] = await Promise.all([ask(source, asked), ask(target, asked)]);
  const after = [found[0]!, found[1]!, [...found[2]!, ...(await keysAside(target))]];
  const names = new Set(script.tables.filter((table) => touched(script, table)).map(key));
  // A constraint or a default may name a table that was renamed, too.
  const free = (rows: (string | null)[][]) =>
    rows.filter((row) => names.size === 0 && !names.has(row[0]!)).map((row) => row.join(' '));
  return ['tree', 'index', 'constraint'].flatMap((kind, i) =>
    lines(`difference:${kind}`, kind, free(before[i]!), free(after[i]!)),
  );
}

/** Names with their schemas, as the definitions that are noted have them. */
const qualified = `SET search_path = ''`;

/** Foreign keys that come at the cutover: one that is neither there nor noted is lost. */
async function keysAside(target: Side): Promise<(string | null)[][]> {
  const [there] = await ask(target, [`SELECT to_regclass('pgsluice.definition')::text`]);
  if (there![0]![0] === null) return [];
  const [, rows] = await ask(target, [
    qualified,
    `SELECT d.relid::regclass::text, d.name, d.constraint_sql, (d.constraint_sql !~ ' NOT VALID$')::text
     FROM pgsluice.definition d JOIN pg_class c ON c.oid = d.relid WHERE d.kind = 'foreign key' AND d.status = 'aside'
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = d.relid AND k.conname = d.name)`,
  ]);
  return rows!;
}

const named = `(SELECT n.nspname NOT IN ('pgsluice', 'information_schema', 'pg_catalog', 'pg_toast') FROM pg_namespace n WHERE n.oid = c.relnamespace)`;
const catalogs = [
  `SELECT c.oid::regclass::text, i.inhparent::regclass::text, i.inhseqno::text, pg_get_expr(c.relpartbound, c.oid), i.inhdetachpending::text
   FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE c.relkind IN ('r', 'p') AND ${named}`,
  `SELECT c.oid::regclass::text, pg_get_indexdef(i.indexrelid), i.indisvalid::text, i.indisprimary::text
   FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid WHERE ${named}`,
  `SELECT c.oid::regclass::text, k.conname::text, pg_get_constraintdef(k.oid), k.convalidated::text
   FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE k.contype <> 'n' AND (k.contype <> 'f' OR k.conparentid = 0) AND ${named}`,
];

/** Multisets of lines that differ, told in a few lines. */
function lines(kind: string, what: string, wanted: readonly string[], got: readonly string[]): readonly Fault[] {
  const count = new Map<string, number>();
  for (const line of wanted) count.set(line, (count.get(line) ?? 0) + 1);
  for (const line of got) count.set(line, (count.get(line) ?? 0) - 1);
  const differ = [...count].filter(([, n]) => n !== 0).sort(([a], [b]) => (a < b ? -1 : 1));
  if (differ.length === 0) return [];
  const shown = differ
    .slice(0, 6)
    .map(
      ([line, n]) =>
        `  ${n > 0 ? `missing ${n}` : `extra ${-n}`}: ${line.length > 300 ? `${line.slice(0, 300)}… (${line.length})` : line}`,
    );
  return [
    {
      class: kind,
      text: [
        `${what}: ${wanted.length} on the source, ${got.length} in the target, ${differ.length} differ`,
        ...shown,
      ].join('\n'),
    },
  ];
}

/** Every sequence's next value; for scripts without transforms. */
export async function compareSequences(source: Side, target: Side): Promise<readonly Fault[]> {
  const read = async (side: Side) => {
    const [names] = await ask(side, [
      `SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind = 'S' AND ${named} ORDER BY 1`,
    ]);
    const rows = await ask(
      side,
      names!.map(([name]) => `SELECT last_value::text, is_called::text FROM ${name}`),
    );
    return names!.map(([name], i) => `${name} ${rows[i]![0]!.join(' ')}`);
  };
  const [before, after] = await Promise.all([read(source), read(target)]);
  return lines('cutover:sequences', 'sequences', before, after);
}
