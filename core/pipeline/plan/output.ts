import type { Column, Identity, Relation } from '../../postgres/relation.ts';
import { columnsOf } from '../../expr/tree.ts';
import type { DraftColumn } from './draft.ts';

/** The parts of an output relation: the input that it projects, its name, its columns. */
export interface OutputParts {
  readonly schema: string;
  readonly name: string;
  readonly columns: readonly DraftColumn[];
  /** The sink finds rows by key: then only unchanged key columns count. */
  readonly needsKey: boolean;
}

/** The output relation of a projection, with what remains of the input's replica identity. */
export function outputRelation(input: Relation, parts: OutputParts): Relation {
  return {
    oid: input.oid,
    schema: parts.schema,
    name: parts.name,
    kind: input.kind,
    columns: parts.columns.map((each) => each.column),
    identity: outputIdentity(input, parts),
    primaryKey: untouchedPositions(input, input.primaryKey, parts.columns) ?? [],
    ...(input.deferrableKey === true ? { deferrableKey: true } : {}),
    ...(input.opaque === true ? { opaque: true } : {}),
  };
}

/**
 * `full` stays full under any projection: each row of the source is one row of the output, computed from the whole old
 * row. A key stays a key while all of its columns arrive; where the sink needs no key (it only labels the change with
 * it), a column computed from key columns alone may stand in for one.
 */
function outputIdentity(input: Relation, parts: OutputParts): Identity {
  if (input.identity.kind !== 'key') return input.identity;
  const { positions } = input.identity;
  const untouched = untouchedPositions(input, positions, parts.columns);
  if (untouched !== null) return { kind: 'key', positions: untouched };
  if (parts.needsKey) return { kind: 'nothing' };
  const key = new Set(positions.map((position) => (input.columns[position] as Column).name));
  const derived = positions.map((position) => {
    const name = (input.columns[position] as Column).name;
    return parts.columns.findIndex(
      (each) => each.origin === name && [...columnsOf(each.expr)].every((c) => key.has(c)),
    );
  });
  return derived.includes(-1) ? { kind: 'nothing' } : { kind: 'key', positions: derived };
}

function untouchedPositions(
  input: Relation,
  positions: readonly number[],
  columns: readonly DraftColumn[],
): readonly number[] | null {
  const found = positions.map((position) =>
    columns.findIndex((each) => each.from === (input.columns[position] as Column).name),
  );
  return found.includes(-1) ? null : found;
}

/** Names of the key columns of `input` that `output` lacks; empty while the identity is intact. */
export function lostKey(input: Relation, output: Relation, columns: readonly DraftColumn[]): readonly string[] {
  if (input.identity.kind !== 'key' || output.identity.kind === 'key') return [];
  return input.identity.positions
    .map((position) => (input.columns[position] as Column).name)
    .filter((name) => !columns.some((each) => each.from === name));
}

/** Output of an opaque step: its columns are matched by name. */
export function opaqueOutput(
  input: Relation,
  made: { readonly schema: string; readonly name: string; readonly columns: readonly Column[] },
): Relation {
  const find = (positions: readonly number[]) =>
    positions.map((position) =>
      made.columns.findIndex((each) => each.name === (input.columns[position] as Column).name),
    );
  const primaryKey = find(input.primaryKey);
  let identity: Identity = input.identity;
  if (identity.kind === 'key') {
    const positions = find(identity.positions);
    identity = positions.includes(-1) ? { kind: 'nothing' } : { kind: 'key', positions };
  }
  return {
    ...input,
    opaque: true,
    schema: made.schema,
    name: made.name,
    columns: made.columns,
    identity,
    primaryKey: primaryKey.includes(-1) ? [] : primaryKey,
  };
}
