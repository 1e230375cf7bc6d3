import type { SchemaSteps, TableName } from '../../../api/schema-change.ts';
import { type MappedTable, mapManifest } from '../../../postgres/manifest/map.ts';
import { partObject } from '../../../postgres/manifest/parts.ts';
import { type ManifestObject, type ObjectKind, keyOf } from '../../../postgres/manifest/types.ts';
import { relationName } from '../../../postgres/relation.ts';
import { mappedTable, unchanged } from '../mapping.ts';
import { planTable } from '../plan-table.ts';
import type { CarryOut } from './carry-out.ts';
import { type DdlMessage, relationOf } from './message.ts';

type PartsMessage = Extract<DdlMessage, { op: 'parts' }>;

/** Parts of tables (constraints, indexes, triggers …) changed on the source: the new state, with the target's names. */
export function becoming(message: PartsMessage, question: CarryOut): SchemaSteps | null {
  const tables = message.tables.flatMap((shape) => {
    const known = question.known(shape.oid);
    if (shape.kind !== 'partitioned' && (known === null || known === undefined)) return [];
    const { plan } = planTable(relationOf(shape), question.input);
    return plan === null || plan.tail !== null ? [] : [plan];
  });
  const [first] = tables;
  if (first === undefined) return null;
  const major = Math.floor(message.version / 10_000);
  const now = message.now.map(({ kind, row }) => partObject(kind, row, major));
  const gone = message.gone.map(({ kind, table, name }) => goneObject(kind as ObjectKind, table, name));
  const own = tables.map(mappedTable);
  const mapping = { tables: [...own, ...referred(now, own, question)], excluded: [] };
  // Each by itself, as a removed and an added part may have the same name.
  const mapped = (object: ManifestObject): readonly ManifestObject[] => {
    const objects = new Map([[keyOf(object), object]]);
    const { manifest } = mapManifest({ version: message.version, roles: new Set(), objects }, mapping);
    return [...manifest.objects.values()].filter(({ kind }) => kind === object.kind);
  };
  return {
    table: relationName(first.source),
    steps: [
      {
        kind: 'become',
        table: nameOf(first.output),
        tables: tables.map(({ output }) => nameOf(output)),
        now: now.flatMap((object, i) => mapped(object).map((one) => ({ object: one, was: message.now[i]!.was }))),
        gone: gone.flatMap(mapped),
      },
    ],
  };
}

/** In a target the types have the names of the source. */
export function typesBecoming({ now, version }: Extract<DdlMessage, { op: 'types' }>): SchemaSteps | null {
  const objects = now.map(({ kind, row }) => partObject(kind, row, Math.floor(version / 10_000)));
  const [first] = objects;
  if (first === undefined) return null;
  const table = { schema: first.name[0]!, name: first.name[1]! };
  return { table: relationName(table), steps: [{ kind: 'become-types', table, now: objects }] };
}

function goneObject(kind: ObjectKind, [schema, table]: readonly [string, string], name: string): ManifestObject {
  const ofSchema = kind === 'index' || kind === 'statistics' || kind === 'sequence';
  const props = { table: JSON.stringify([schema, table]) };
  return { kind, name: ofSchema ? [schema, name] : [schema, table, name], props, facts: {}, needs: [] };
}

/** Tables that foreign keys refer to may have another name in the target. */
function referred(
  objects: readonly ManifestObject[],
  own: readonly MappedTable[],
  { input }: CarryOut,
): readonly MappedTable[] {
  const known = new Set(own.map(({ from }) => from.join('\0')));
  return objects.flatMap(({ facts }) => {
    const [schema, name] = JSON.parse(facts['references'] ?? '[]') as [string?, string?];
    if (schema === undefined || name === undefined || known.has(`${schema}\0${name}`)) return [];
    known.add(`${schema}\0${name}`);
    const found = input.tables.find(({ relation }) => relation.schema === schema && relation.name === name);
    const plan = found === undefined ? null : planTable(found.relation, input).plan;
    return plan === null ? [] : [unchanged([schema, name], [plan.output.schema, plan.output.name])];
  });
}

function nameOf({ schema, name }: TableName): TableName {
  return { schema, name };
}
