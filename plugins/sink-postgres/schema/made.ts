import type pg from 'pg';
import { bare } from '../../../core/postgres/manifest/statements/step.ts';
import type { ManifestObject, ObjectKind } from '../../../core/postgres/manifest/types.ts';
import type { Owner, TableState } from '../state.ts';
import type { TreeNode } from './tree.ts';

/** What this pipeline made in the target, according to the dump that it keeps until the copy is finished. */
export interface Made {
  has(object: ManifestObject): boolean;
}

/** pg_dump's words for kinds of objects. */
const dumpTypes: Partial<Record<ObjectKind, readonly string[]>> = {
  constraint: ['CONSTRAINT', 'FK CONSTRAINT', 'CHECK CONSTRAINT'],
  function: ['FUNCTION', 'PROCEDURE', 'AGGREGATE'],
  procedure: ['PROCEDURE'],
  aggregate: ['AGGREGATE'],
  'composite type': ['TYPE'],
  enum: ['TYPE'],
  'range type': ['TYPE'],
  'base type': ['TYPE'],
};

const routines: ReadonlySet<string> = new Set(['FUNCTION', 'PROCEDURE', 'AGGREGATE']);

export interface Label {
  readonly type: string;
  readonly name: string;
}

/** As in the dump's headers. `table`: the name of the table that it is a part of, if the dump has another one. */
export function labelsOf({ kind, name, props }: ManifestObject, table?: string): readonly Label[] {
  const constraint = kind === 'index' ? (props['constraint'] ?? null) : null;
  if (constraint !== null) {
    const of = table ?? (JSON.parse(props['table'] ?? '[]') as string[]).join('.');
    return [{ type: 'CONSTRAINT', name: `${of} ${constraint}` }];
  }
  const types = dumpTypes[kind] ?? [kind.toUpperCase()];
  const whole = `${name[0]}.${name[1]}`;
  if (routines.has(types[0]!)) return types.map((type) => ({ type, name: `${whole}(${name[2]})` }));
  return types.map((type) => ({ type, name: name[2] === undefined ? whole : `${table ?? whole} ${name[2]}` }));
}

/** An aggregate without arguments is `f(*)` for pg_dump. */
const keyOf = ({ type, name }: Label): string => `${type} ${name.replace(/\(\*\)$/, '()')}`;

/** A function whose arguments have a table's row type, which has another name on the source. */
function asOnSource(object: ManifestObject, sources: ReadonlyMap<string, string>): ManifestObject {
  const [schema, name, types] = object.name;
  if (!routines.has(dumpTypes[object.kind]?.[0] ?? '') || types === undefined) return object;
  const renamed = types.split(', ').map((type) => {
    const [, plain, array] = /^(.*?)((?:\[\])*)$/s.exec(type)!;
    const source = sources.get(plain!.replaceAll('"', ''));
    return source === undefined ? type : source.split('.').map(bare).join('.') + array;
  });
  return { ...object, name: [schema!, name!, renamed.join(', ')] };
}

export async function readMade(
  client: pg.Client,
  owner: Owner,
  { states, tree }: { readonly states: readonly TableState[]; readonly tree: ReadonlyMap<number, TreeNode> },
): Promise<Made> {
  const made = new Set((await readLabels(client, owner)).map(keyOf));
  const sources = new Map<string, string>(
    states.flatMap(({ relid, source }) => {
      const node = tree.get(relid);
      return node === undefined ? [] : [[`${node.schema}.${node.name}`, source] as const];
    }),
  );
  return {
    has: (object) => {
      // The dump has the parts of a table under the table's name on the source.
      const table =
        object.kind === 'index' ? (JSON.parse(object.props['table'] ?? '[]') as string[]) : object.name.slice(0, 2);
      const source = sources.get(table.join('.'));
      const labels = [...labelsOf(object), ...labelsOf(asOnSource(object, sources), source)];
      return labels.some((each) => made.has(keyOf(each)));
    },
  };
}

/** Names of the tables, as the source has them. */
export async function tablesMade(client: pg.Client, owner: Owner): Promise<ReadonlySet<string>> {
  const labels = await readLabels(client, owner);
  return new Set(labels.filter(({ type }) => type === 'TABLE' || type === 'FOREIGN TABLE').map(({ name }) => name));
}

/** Objects that were refused, or existed when their statement was reported to the user, are not ours. */
async function readLabels(client: pg.Client, owner: Owner): Promise<readonly Label[]> {
  const { rows } = await client.query<Label & pg.QueryResultRow>(
    'SELECT type, name FROM pgsluice.bulk_object WHERE pipeline = $1 AND sink = $2 AND refused IS NULL AND NOT told',
    [owner.pipeline, owner.sink],
  );
  return rows;
}

/** Notes what was made after the dump, which may no longer describe the source. */
export async function noteMade(client: pg.Client, owner: Owner, labels: readonly Label[]): Promise<void> {
  await client.query(
    `INSERT INTO pgsluice.bulk_object (pipeline, sink, ordinal, type, name, sql, late)
     SELECT $1, $2, o.n + (SELECT coalesce(max(ordinal), 0) FROM pgsluice.bulk_object WHERE pipeline = $1 AND sink = $2),
            o.type, o.name, '', false
     FROM unnest($3::text[], $4::text[]) WITH ORDINALITY AS o (type, name, n)
     WHERE EXISTS (SELECT FROM pgsluice.bulk WHERE pipeline = $1 AND sink = $2 AND phase <> 'finished')`,
    [owner.pipeline, owner.sink, labels.map(({ type }) => type), labels.map(({ name }) => name)],
  );
}
