import { normaliseAcl } from './acl.ts';
import { catalogQueries } from './catalog/all.ts';
import { type KindQuery, sharedCtes } from './catalog/kind-query.ts';
import { type Address, type Dependencies, addressOf, dependencySql, readDependencies } from './dependencies.ts';
import { type Manifest, type ManifestObject, type ObjectKind, keyOf } from './types.ts';

/** Runs one text of several statements and gives the rows of each, values as the server's text. */
export type QueryAll = (sql: string) => Promise<readonly (readonly Record<string, string | null>[])[]>;

export interface ReadOptions {
  /** Schemas that are left out with all objects in them. */
  readonly except?: readonly string[];
  /** Publications and event triggers that are left out. */
  readonly exceptNames?: readonly string[];
}

/**
 * Reads the schema of a database: one round trip, whatever the number of objects, in one snapshot. The session needs
 * the settings of core/postgres/connect.ts. Members of extensions are left out; the extensions are included.
 */
export async function readManifest(query: QueryAll, version: number, options: ReadOptions = {}): Promise<Manifest> {
  const major = Math.floor(version / 10_000);
  const queries = catalogQueries(major);
  const ctes = sharedCtes(options.except ?? []);
  const statements = [
    'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY',
    `SET LOCAL search_path = ''`,
    ...queries.map(({ sql }) => withCtes(ctes, sql)),
    comments,
    labels,
    'SELECT rolname FROM pg_roles',
    ...dependencySql,
    'COMMIT',
  ];
  const results = (await query(statements.join(';\n'))).slice(2, -1);
  const [commentRows, labelRows, roleRows, ...dependencyRows] = results.slice(queries.length);
  const texts = new Map([...remarks(commentRows!, 'comment'), ...remarks(labelRows!, 'label')]);
  const entries = queries.flatMap((one, i) => results[i]!.map((row) => toEntry(one, row, major)));
  const kept = entries.filter(({ object }) => !leftOut(object, options));
  const dependencies = readDependencies(
    dependencyRows,
    new Map(kept.map(({ address, object }) => [address, keyOf(object)])),
  );
  const objects = kept.map(({ address, object }) => finish(object, address, { texts, dependencies }));
  return {
    version,
    objects: new Map(objects.map((object) => [keyOf(object), object])),
    roles: new Set(roleRows!.map((row) => row['rolname']!)),
  };
}

function withCtes(ctes: string, sql: string): string {
  return `WITH ${ctes} ${sql}`;
}

const comments = `SELECT classoid::regclass::text AS catalog, objoid AS oid, objsubid AS sub, NULL AS provider, description AS text FROM pg_description
  WHERE objoid >= 16384 OR classoid IN ('pg_extension'::regclass, 'pg_namespace'::regclass)
  UNION ALL SELECT classoid::regclass::text, objoid, 0, NULL, description FROM pg_shdescription
  WHERE classoid = 'pg_database'::regclass AND objoid = (SELECT oid FROM pg_database WHERE datname = current_database())`;
const labels = `SELECT classoid::regclass::text AS catalog, objoid AS oid, objsubid AS sub, provider, label AS text FROM pg_seclabel`;

function* remarks(
  rows: readonly Record<string, string | null>[],
  what: 'comment' | 'label',
): Generator<[string, string]> {
  for (const row of rows) {
    const address = addressOf(row['catalog']!, row['oid']!, row['sub']!);
    yield [
      `${what}\0${address}`,
      what === 'comment' ? row['text']! : JSON.stringify({ [row['provider']!]: row['text'] }),
    ];
  }
}

interface Entry {
  readonly address: Address;
  readonly object: ManifestObject;
}

const naming = new Set(['oid', 'n1', 'n2', 'n3', 'acl']);

function toEntry(query: KindQuery, row: Record<string, string | null>, major: number): Entry {
  const object = toObject(query, row, major);
  return { address: addressOf(query.catalog, row['oid']!, object.facts['sub'] ?? '0'), object };
}

/** One row of a query as the object that it describes; without its dependencies. */
export function toObject(
  query: KindQuery,
  row: Readonly<Record<string, string | null>>,
  major: number,
): ManifestObject {
  const props: Record<string, string | null> = {};
  const facts: Record<string, string | null> = {};
  for (const [name, value] of Object.entries(row)) {
    if (naming.has(name)) continue;
    if (name.startsWith('_')) facts[name.slice(1)] = value;
    else props[name] = value;
  }
  const owner = props['owner'] ?? facts['owner'] ?? '';
  if (query.acl !== undefined) props['acl'] = normaliseAcl(row['acl'] ?? null, { type: query.acl, owner, major });
  if (query.kind === 'default privileges') {
    const type = row['n3'] === 'S' ? 's' : row['n3']!;
    props['acl'] = normaliseAcl(facts['acl'] ?? null, { type, owner: row['n1']!, major }) ?? 'default';
  }
  const name = [row['n1'], row['n2'], row['n3']].filter((part) => part !== undefined && part !== null);
  const kind = (facts['kind'] as ObjectKind | undefined) ?? query.kind;
  return { kind, name, props, facts, needs: [] };
}

function leftOut({ kind, name }: ManifestObject, { except = [], exceptNames = [] }: ReadOptions): boolean {
  if (kind === 'publication' || kind === 'event trigger') return exceptNames.includes(name[0]!);
  return kind === 'default privileges' && except.includes(name[1]!);
}

function finish(
  object: ManifestObject,
  address: Address,
  of: { readonly texts: ReadonlyMap<string, string>; readonly dependencies: Dependencies },
): ManifestObject {
  const comment = of.texts.get(`comment\0${address}`) ?? null;
  // An extension creates its own members.
  const own = object.kind === 'extension' && comment === object.facts['comment'] ? null : comment;
  return {
    ...object,
    props: { ...object.props, comment: own, 'security labels': of.texts.get(`label\0${address}`) ?? null },
    needs: of.dependencies.of(keyOf(object)),
  };
}
