import { bare } from './statements/step.ts';
import { type Renames, renameInText } from './text.ts';
import { type Manifest, type ManifestObject, type ObjectKind, keyOf, objectKey } from './types.ts';

type Name = readonly [string, string];

/** The plan for one relation of the source. */
export interface MappedTable {
  readonly from: Name;
  readonly to: Name;
  readonly drop: readonly string[];
  readonly rename: ReadonlyMap<string, string>;
  /** Columns that the source does not have. */
  readonly add: readonly { readonly name: string; readonly type: string }[];
  /** By the name after the renames; `nullable`: NOT NULL is dropped. Type null: it stays. */
  readonly retype: readonly { readonly name: string; readonly type: string | null; readonly nullable: boolean }[];
}

export interface Mapping {
  readonly tables: readonly MappedTable[];
  /** Tables that the target does not get. */
  readonly excluded: readonly Name[];
}

/** A mapped manifest, and the names that differ in it. */
export interface Mapped {
  readonly manifest: Manifest;
  readonly renames: Renames;
}

/** What the target should have: the source's manifest with the plan's renames, drops and changes of columns. Pure. */
export function mapManifest(source: Manifest, given: Mapping): Mapped {
  const mapping = withParents(source, given);
  const gone = goneWith(source, mapping);
  const tables = new Map(mapping.tables.map((table) => [table.from.join('\0'), table]));
  const moved = mapping.tables.filter(({ from, to }) => from.join('\0') !== to.join('\0'));
  const relations = new Map(moved.map(({ from, to }) => [from.join('\0'), [to[0], to[1]] as const]));
  const columns = new Set(mapping.tables.flatMap(({ rename }) => [...rename].map(([from, to]) => `${from}\0${to}`)));
  const context: Context = { source, tables, relations, sequences: movedSequences(source, moved) };
  const kept = [...source.objects].filter(([key]) => !gone.has(key));
  const objects = kept.map(([, object]) => mapObject(object, context));
  const newKeys = new Map(kept.map(([key], i) => [key, keyOf(objects[i]!)]));
  const added = mapping.tables.flatMap((table) => addedColumns(table));
  const rekeyed = objects.map((object) => ({
    ...object,
    needs: object.needs.flatMap((need) => newKeys.get(need) ?? []),
  }));
  const schemas = missingSchemas(moved, source);
  const all = [...schemas, ...rekeyed, ...added];
  return {
    manifest: {
      version: source.version,
      roles: source.roles,
      objects: new Map(all.map((object) => [keyOf(object), object])),
    },
    renames: { relations, columns },
  };
}

/** Parents of partitions lose and gain the same columns, and stay while one of their partitions does. */
function withParents(source: Manifest, { tables, excluded }: Mapping): Mapping {
  const mapped = new Map(tables.map((table) => [table.from.join('\0'), table]));
  const kept = new Set<string>();
  for (const table of tables) {
    let at = source.objects.get(objectKey('table', table.from));
    while (at !== undefined && (at.props['partition bound'] ?? null) !== null) {
      const parent = parse(at.props['parents']) as unknown as Name[];
      const name = parent[0]!;
      const key = name.join('\0');
      kept.add(key);
      const { drop, rename, add, retype } = table;
      mapped.set(key, { from: name, to: mapped.get(key)?.to ?? name, drop, rename, add, retype });
      at = source.objects.get(objectKey('table', name));
    }
  }
  return {
    tables: [...mapped.values()],
    excluded: excluded.filter((name) => !kept.has(name.join('\0')) && !mapped.has(name.join('\0'))),
  };
}

interface Context {
  readonly source: Manifest;
  readonly tables: ReadonlyMap<string, MappedTable>;
  readonly relations: Renames['relations'];
  /** `nextval('…'::regclass)` before and after. */
  readonly sequences: ReadonlyMap<string, string>;
}

/** SET SCHEMA moves a table's own sequences, and changes the defaults that name them. */
function movedSequences(source: Manifest, moved: readonly MappedTable[]): ReadonlyMap<string, string> {
  const tables = new Map(moved.map((table) => [table.from.join('\0'), table]));
  const found = new Map<string, string>();
  for (const object of source.objects.values()) {
    if (object.kind !== 'sequence') continue;
    const table = tables.get((tableOf(object) ?? []).join('\0'));
    if (table === undefined || object.name[0] !== table.from[0] || table.to[0] === table.from[0]) continue;
    found.set(nextval(object.name), nextval([table.to[0], object.name[1]!]));
  }
  return found;
}

function nextval(name: readonly string[]): string {
  return `nextval('${name.map(bare).join('.').replaceAll("'", "''")}'::regclass)`;
}

/** Excluded tables and dropped columns, their parts, and all objects that depend on them. */
function goneWith(source: Manifest, { tables, excluded }: Mapping): ReadonlySet<string> {
  const gone = new Set<string>();
  const doomed = new Set(excluded.map((name) => name.join('\0')));
  for (const { from, drop } of tables) for (const column of drop) gone.add(objectKey('column', [...from, column]));
  if (doomed.size === 0 && gone.size === 0) return gone;
  for (const [key, object] of source.objects) {
    const table = tableOf(object);
    if (table !== null && doomed.has(table.join('\0'))) gone.add(key);
  }
  const dependents = new Map<string, string[]>();
  for (const [key, { needs }] of source.objects)
    for (const need of needs) dependents.set(need, [...(dependents.get(need) ?? []), key]);
  const queue = [...gone];
  for (const key of queue) {
    for (const dependent of dependents.get(key) ?? []) {
      const object = source.objects.get(dependent)!;
      if (gone.has(dependent) || staysWithout(object)) continue;
      gone.add(dependent);
      queue.push(dependent);
      for (const part of partsOf(object, source)) if (!gone.has(part)) queue.push((gone.add(part), part));
    }
  }
  return gone;
}

/** The object loses what it needed, and stays. */
function staysWithout({ kind, props }: ManifestObject): boolean {
  return (
    kind === 'publication' ||
    kind === 'table' ||
    kind === 'foreign table' ||
    (kind === 'column' && (props['generated'] ?? null) === null)
  );
}

function partsOf(object: ManifestObject, source: Manifest): string[] {
  if (!object.kind.endsWith('view')) return [];
  return [...source.objects.values()].filter((part) => tableOf(part)?.join('\0') === object.name.join('\0')).map(keyOf);
}

const ofRelation: ReadonlySet<ObjectKind> = new Set([
  'table',
  'foreign table',
  'view',
  'materialized view',
  'column',
  'constraint',
  'trigger',
  'rule',
  'policy',
]);

/** The relation that an object is, or belongs to. */
function tableOf({ kind, name, props }: ManifestObject): readonly string[] | null {
  if (ofRelation.has(kind)) return name.slice(0, 2);
  if (kind === 'index' || kind === 'statistics') return parse(props['table']);
  if (kind === 'sequence') return parse(props['owned by'])?.slice(0, 2) ?? null;
  return null;
}

function parse(text: string | null | undefined): string[] | null {
  return text === null || text === undefined ? null : (JSON.parse(text) as string[]);
}

function mapObject(object: ManifestObject, context: Context): ManifestObject {
  const relation = tableOf(object);
  const table = relation === null ? undefined : context.tables.get(relation.join('\0'));
  if (table === undefined && context.relations.size === 0) return object;
  const name = mappedName(object, table, context);
  const props = Object.fromEntries(
    Object.entries(object.props).map(([key, value]) => [key, mappedProp(object, key, value, { table, context })]),
  );
  const facts = Object.fromEntries(
    Object.entries(object.facts).map(([key, value]) => [
      key,
      key === 'create' ? mappedProp(object, 'definition', value, { table, context }) : value,
    ]),
  );
  const mapped = { ...object, name, props, facts };
  return object.kind === 'column' && table !== undefined ? retyped(withNotNullName(mapped, object), table) : mapped;
}

/**
 * From 18 on. A rename of the table keeps the name that the server gave to NOT NULL, which is an explicit name then.
 */
function withNotNullName(mapped: ManifestObject, { name, props, facts }: ManifestObject): ManifestObject {
  const given = facts['notnull'] ?? null;
  if (props['not null name'] !== null || props['not null'] !== 't' || given === null) return mapped;
  if (given === `${mapped.name[1]}_${mapped.name[2]}_not_null` || given !== `${name[1]}_${name[2]}_not_null`)
    return mapped;
  return { ...mapped, props: { ...mapped.props, 'not null name': given } };
}

function mappedName(
  { kind, name }: ManifestObject,
  table: MappedTable | undefined,
  { relations }: Context,
): readonly string[] {
  if (table === undefined) return name;
  if (kind === 'column') return [...table.to, table.rename.get(name[2]!) ?? name[2]!];
  if (ofRelation.has(kind)) return [...table.to, ...name.slice(2)];
  // SET SCHEMA moves indexes and owned sequences.
  const moves =
    relations.has(table.from.join('\0')) && (kind === 'index' || kind === 'sequence') && name[0] === table.from[0];
  return moves ? [table.to[0], name[1]!] : name;
}

const texts: ReadonlySet<string> = new Set([
  'definition',
  'default',
  'using',
  'with check',
  'partition bound',
  'partition key',
]);

function mappedProp(
  object: ManifestObject,
  key: string,
  value: string | null,
  { table, context }: { readonly table: MappedTable | undefined; readonly context: Context },
): string | null {
  if (value === null) return null;
  switch (key) {
    case 'table':
      return renamedList(value, context);
    case 'parent':
      return renamedParent(value, context);
    case 'parents':
      return jsonText(
        (JSON.parse(value) as Name[]).map((parent) => context.relations.get(parent.join('\0')) ?? parent),
      );
    case 'owned by': {
      const [schema, name, column] = JSON.parse(value) as [string, string, string];
      const owner = context.tables.get(`${schema}\0${name}`);
      return owner === undefined ? value : jsonText([...owner.to, owner.rename.get(column) ?? column]);
    }
    case 'tables':
      return object.kind === 'publication' ? renamedPublished(value, context) : value;
    default: {
      if (!texts.has(key) && !(key === 'result' || key === 'arguments')) return value;
      const own = object.kind === 'view' || object.kind === 'materialized view' ? undefined : table;
      const text = withSequences(value, context);
      return object.kind === 'constraint' ? renamedConstraint(text, own, context) : renamedText(text, own, context);
    }
  }
}

/** The columns behind REFERENCES are those of the other table. */
function renamedConstraint(definition: string, own: MappedTable | undefined, context: Context): string {
  const [key, ofKey, referenced] =
    /^(FOREIGN KEY \((?:"(?:[^"]|"")*"|[^")])*\) REFERENCES )(.*)$/s.exec(definition) ?? [];
  if (key === undefined) return renamedText(definition, own, context);
  const other = [...context.tables.values()].find(({ from }) => referenced!.startsWith(`${from.map(bare).join('.')}(`));
  return renamedText(ofKey!, own, context) + renamedText(referenced!, other, context);
}

function renamedText(text: string, table: MappedTable | undefined, { relations, tables }: Context): string {
  const columnsOf = (schema: string, name: string) => tables.get(`${schema}\0${name}`)?.rename;
  const own = table === undefined ? undefined : { from: table.from[1], to: table.to[1], columns: table.rename };
  return renameInText(text, { relations, columnsOf, own, quote: bare });
}

function withSequences(text: string, { sequences }: Context): string {
  if (!text.includes('nextval(')) return text;
  return [...sequences].reduce((now, [from, to]) => now.replaceAll(from, () => to), text);
}

/** As the server's json_build_array prints it. */
function jsonText(value: unknown): string {
  return JSON.stringify(value).replaceAll('","', '", "').replaceAll('],[', '], [');
}

function renamedList(value: string, { relations }: Context): string {
  const to = relations.get((JSON.parse(value) as string[]).join('\0'));
  return to === undefined ? value : jsonText(to);
}

/** An index of a parent moves with its table. */
function renamedParent(value: string, { source, tables }: Context): string {
  const name = JSON.parse(value) as [string, string];
  const index = source.objects.get(objectKey('index', name));
  const table = index === undefined ? undefined : tables.get((tableOf(index) ?? []).join('\0'));
  return table === undefined || table.from[0] === table.to[0] ? value : jsonText([table.to[0], name[1]]);
}

function renamedPublished(value: string, { relations }: Context): string {
  const rows = JSON.parse(value) as [string, string, unknown, unknown][];
  return jsonText(
    rows.map(([schema, name, ...rest]) => [...(relations.get(`${schema}\0${name}`) ?? [schema, name]), ...rest]),
  );
}

function retyped(column: ManifestObject, table: MappedTable): ManifestObject {
  const change = table.retype.find(({ name }) => name === column.name[2]);
  if (change === undefined) return column;
  const { type, nullable } = change;
  const props = { ...column.props, ...(nullable ? { 'not null': 'f' } : {}) };
  // A default of the old type is dropped with it.
  return {
    ...column,
    props: type === null ? props : { ...props, type, default: null, collation: null, storage: null },
  };
}

function addedColumns({ to, add }: MappedTable): ManifestObject[] {
  return add.map(({ name, type }) => ({
    kind: 'column',
    name: [...to, name],
    props: { type, 'not null': 'f' },
    facts: { local: 't' },
    needs: [],
  }));
}

function missingSchemas(moved: readonly MappedTable[], source: Manifest): ManifestObject[] {
  const wanted = [...new Set(moved.map(({ to }) => to[0]))].filter(
    (schema) => !source.objects.has(objectKey('schema', [schema])),
  );
  return wanted.map((schema) => ({ kind: 'schema', name: [schema], props: {}, facts: {}, needs: [] }));
}
