import { type Cell, type PartialTuple, UNCHANGED } from '../../../core/api/change.ts';
import { arrayElement, copyCell } from './encode.ts';
import { inKeyOrder } from './key-order.ts';
import { type NetChange, Remove, Write } from './net-change.ts';
import type { Script } from './script.ts';
import {
  column,
  copyRows,
  deleteRow,
  deleteSet,
  insertRow,
  keyFinder,
  type Shape,
  updateRow,
  updateSet,
  upsertRow,
} from './statements.ts';

/** From so many rows on, one statement for all is cheaper than one each (bench/apply.ts). */
export const setWiseFrom = 12;
/** Characters of parameters or COPY data after which another statement begins. */
const pieceSize = 32 << 20;

/** Writes the statements of a table's net change: removes, updates, upserts, inserts. */
export function emitNet(script: Script, shape: Shape, net: NetChange): void {
  const must: number[] = [];
  const maybe: number[] = [];
  const inserts: PartialTuple[] = [];
  const upserts: number[] = [];
  const updates = new Map<string, number[]>();
  for (let i = 0; i < net.size; i++) {
    if (net.removes[i] === Remove.must) must.push(i);
    else if (net.removes[i] === Remove.maybe) maybe.push(i);
    const write = net.writes[i] as Write;
    if (write === Write.insert) inserts.push(net.rows[i] as PartialTuple);
    else if (write === Write.upsert) upserts.push(i);
    else if (write === Write.update) {
      const sent = sentColumns(shape, net.rows[i] as PartialTuple);
      const group = updates.get(sent);
      if (group === undefined) updates.set(sent, [i]);
      else group.push(i);
    }
  }
  for (const [at, counted] of [
    [must, true],
    [maybe, false],
  ] as const) {
    emitRemoves(script, shape, pick(net.keys, inKeyOrder(shape, net.keys, at)), counted);
  }
  for (const group of updates.values()) emitUpdates(script, shape, net, inKeyOrder(shape, net.keys, group));
  for (const i of upserts) emitUpsert(script, shape, net, i);
  emitInserts(script, shape, inserts as (readonly Cell[])[]);
}

const pick = (tuples: readonly PartialTuple[], at: readonly number[]) => at.map((i) => tuples[i] as PartialTuple);
const keyOf = (shape: Shape) => shape.key as readonly number[];
const cells = (tuple: PartialTuple, positions: readonly number[]) => positions.map((i) => tuple[i] as Cell);

/** Which columns an update writes; most send all, so that case costs one look. */
function sentColumns(shape: Shape, row: PartialTuple): string {
  if (!row.includes(UNCHANGED)) return '';
  return shape.filled.filter((i) => row[i] !== UNCHANGED).join(',');
}

function emitRemoves(script: Script, shape: Shape, keys: readonly PartialTuple[], counted: boolean): void {
  const key = keyOf(shape);
  const table = shape.table.name;
  if (keys.length < setWiseFrom) {
    const text = deleteRow(shape, keyFinder(shape, key, 1));
    for (const tuple of keys) script.row(text, cells(tuple, key), counted ? 1 : 'any', { table, change: null });
    return;
  }
  const text = deleteSet(shape, key);
  for (const piece of pieces(keys, key)) {
    const values = key.map((position) => literal(shape, position, piece));
    script.once(text, values, { expected: counted ? piece.length : 'any', table });
  }
}

function emitUpdates(script: Script, shape: Shape, net: NetChange, group: readonly number[]): void {
  const key = keyOf(shape);
  const table = shape.table.name;
  const sample = net.rows[group[0] as number] as PartialTuple;
  const set = shape.filled.filter((i) => sample[i] !== UNCHANGED && !key.includes(i));
  if (group.length < setWiseFrom || set.length === 0) {
    const text = updateRow(shape, set, keyFinder(shape, key, set.length + 1));
    for (const i of group) {
      const values = [...cells(net.rows[i] as PartialTuple, set), ...cells(net.keys[i] as PartialTuple, key)];
      script.row(text, values, 1, { table, change: null });
    }
    return;
  }
  const text = updateSet(shape, set, key);
  const all = pick(net.rows, group);
  let from = 0;
  for (const piece of pieces(all, set)) {
    const keys = pick(net.keys, group.slice(from, from + piece.length));
    from += piece.length;
    const values = set.map((position) => literal(shape, position, piece));
    values.push(...key.map((position) => literal(shape, position, keys)));
    script.once(text, values, { expected: piece.length, table });
  }
}

function emitUpsert(script: Script, shape: Shape, net: NetChange, i: number): void {
  const { filled } = shape;
  const key = keyOf(shape);
  const text = upsertRow(shape, keyFinder(shape, key, filled.length + 1));
  const values = [...cells(net.rows[i] as PartialTuple, filled), ...cells(net.keys[i] as PartialTuple, key)];
  script.row(text, values, 'any', { table: shape.table.name, change: null });
}

/** Whole rows, by COPY when there are enough of them. */
export function emitInserts(script: Script, shape: Shape, rows: readonly (readonly Cell[])[]): void {
  const { filled } = shape;
  const table = shape.table.name;
  if (rows.length < setWiseFrom || filled.length === 0) {
    const text = insertRow(shape);
    for (const row of rows) script.row(text, cells(row, filled), 'any', { table, change: null });
    return;
  }
  const text = copyRows(shape);
  for (const piece of pieces(rows, filled)) script.copy(text, copyData(piece as (readonly Cell[])[], filled), table);
}

function copyData(rows: readonly (readonly Cell[])[], filled: readonly number[]): string {
  let data = '';
  const first = filled[0] as number;
  for (const row of rows) {
    data += copyCell(row[first] as Cell);
    for (let k = 1; k < filled.length; k++) data += `\t${copyCell(row[filled[k] as number] as Cell)}`;
    data += '\n';
  }
  return data;
}

function literal(shape: Shape, position: number, rows: readonly PartialTuple[]): string {
  const { asText, delimiter } = column(shape.table, position);
  const separator = asText ? ',' : delimiter;
  let text = '{';
  for (let i = 0; i < rows.length; i++) {
    if (i > 0) text += separator;
    text += arrayElement((rows[i] as PartialTuple)[position] as Cell);
  }
  return `${text}}`;
}

/** Cuts rows into parts whose text stays below {@link pieceSize} (one row may exceed it alone). */
function* pieces(rows: readonly PartialTuple[], positions: readonly number[]): Iterable<readonly PartialTuple[]> {
  let from = 0;
  let size = 0;
  for (let i = 0; i < rows.length; i++) {
    let more = 0;
    const row = rows[i] as PartialTuple;
    for (const position of positions) more += (row[position] as string | null)?.length ?? 0;
    if (size + more > pieceSize && i > from) {
      yield rows.slice(from, i);
      from = i;
      size = 0;
    }
    size += more;
  }
  if (from === 0) {
    if (rows.length > 0) yield rows;
  } else yield rows.slice(from);
}
