import type { Route } from '../../api/plan.ts';
import { firstUserOid } from '../../postgres/oids.ts';
import type { Column, Relation } from '../../postgres/relation.ts';
import type { SinkTraits } from '../../api/sink.ts';

export interface RouteQuestion {
  readonly output: Relation;
  readonly sink: string;
  readonly traits: SinkTraits;
  /** Why only code understands a part of the chain; null: the whole chain is pushed down. */
  readonly opaque: string | null;
}

/** The route of one table in the snapshot. Pure; `plan` prints the reason. */
export function chooseRoute({ output, sink, traits, opaque }: RouteQuestion): Route {
  if (traits.rawFormats.length === 0) return { kind: 'rows', because: `sink ${sink} takes rows` };
  if (opaque !== null) return { kind: 'rows', because: opaque };
  const unsafe = binaryObstacle(output, traits);
  if (traits.rawFormats.includes('binary')) {
    if (unsafe === null) return { kind: 'raw', format: 'binary', because: 'every type has one binary form' };
    if (traits.rawFormats.includes('text')) return { kind: 'raw', format: 'text', because: unsafe };
    return { kind: 'rows', because: unsafe };
  }
  return { kind: 'raw', format: 'text', because: `sink ${sink} takes text only` };
}

/** Why frames cannot be binary; null: they can. */
function binaryObstacle(output: Relation, traits: SinkTraits): string | null {
  const unsafe = output.columns.find((column) => !column.binarySafe);
  if (unsafe !== undefined) return `column ${unsafe.name} of type ${unsafe.typeName} has no safe binary form`;
  const other = output.columns.find((column) => traits.textOnly?.includes(column.baseType) === true);
  if (other !== undefined)
    return `the target would read the bytes of ${other.typeName} (column ${other.name}) differently`;
  const target = traits.existing?.get(`${output.schema}.${output.name}`);
  if (target === undefined) return null;
  const types = new Map(target.map((column) => [column.name, column]));
  const unlike = output.columns.find((column) => !sameType(column, types.get(column.name)));
  if (unlike === undefined) return null;
  return `column ${unlike.name} is ${unlike.typeName} here and ${types.get(unlike.name)?.typeName ?? 'missing'} in the target`;
}

/** Receive functions apply the target's modifier, so only the type itself must be the same. */
function sameType(column: Column, target: Column | undefined): boolean {
  if (target === undefined) return false;
  if (column.type < firstUserOid || target.type < firstUserOid) return column.type === target.type;
  return column.typeName === target.typeName;
}
