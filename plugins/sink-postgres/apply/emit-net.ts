import type { InsertChange } from '../../../core/api/change.ts';
import { type ArrayOf, withArrays } from './encode.ts';
import { inKeyOrder } from './key-order.ts';
import { type NetChange, Remove, Write } from './net-change.ts';
import { isSent, isWhole, parametersOf, type Row, sizeOf } from './row.ts';
import type { Script } from './script.ts';
import type { Steps } from './steps.ts';
import {
  column,
  copyRows,
  deleteRow,
  deleteSet,
  insertRow,
  keyFinder,
  type Shape,
  typesAsRead,
  typesRead,
  updateRow,
  updateSet,
  upsertRow,
} from './statements.ts';

/** From so many rows on, one statement for all is cheaper than one each (bench/apply.ts). */
export const setWiseFrom = 12;
/** Bytes of rows after which another COPY begins. */
const copySize = 32 << 20;
/** Bytes of rows after which another set-wise statement begins: the target works on it while the next is written. */
const setSize = 256 << 10;

/** Writes the statements of a table's net change: removes, updates, upserts, inserts. */
export function* emitNet(script: Script, shape: Shape, net: NetChange): Steps {
  const must: number[] = [];
  const maybe: number[] = [];
  const inserts: Row[] = [];
  const upserts: number[] = [];
  const updates = new Map<string, number[]>();
  for (let i = 0; i < net.size; i++) {
    if (net.removes[i] === Remove.must) must.push(i);
    else if (net.removes[i] === Remove.maybe) maybe.push(i);
    const write = net.writes[i] as Write;
    if (write === Write.insert) inserts.push(net.rows[i] as Row);
    else if (write === Write.upsert) upserts.push(i);
    else if (write === Write.update) {
      const sent = sentColumns(shape, net.rows[i] as Row);
      const group = updates.get(sent);
      if (group === undefined) updates.set(sent, [i]);
      else group.push(i);
    }
  }
  for (const [at, counted] of [
    [must, true],
    [maybe, false],
  ] as const) {
    yield* emitRemoves(script, shape, pick(net.keys, inKeyOrder(shape, net, at)), counted);
  }
  for (const group of updates.values()) yield* emitUpdates(script, shape, net, inKeyOrder(shape, net, group));
  for (const i of upserts) emitUpsert(script, shape, net, i);
  yield* emitInserts(script, shape, inserts);
}

const pick = (rows: readonly Row[], at: readonly number[]) => at.map((i) => rows[i] as Row);
const keyOf = (shape: Shape) => shape.key as readonly number[];

/** Which columns an update writes; most send all, so that case costs one look. */
function sentColumns(shape: Shape, row: Row): string {
  if (isWhole(row)) return '';
  return shape.filled.filter((i) => isSent(row, i)).join(',');
}

function* emitRemoves(script: Script, shape: Shape, keys: readonly Row[], counted: boolean): Steps {
  const key = keyOf(shape);
  const table = shape.table.name;
  if (keys.length < setWiseFrom || !arraysFit(shape, key)) {
    const text = deleteRow(shape, keyFinder(shape, key, 1));
    for (const row of keys) script.row(text, parametersOf(row, key), counted ? 1 : 'any', { table, change: null });
    return;
  }
  const text = deleteSet(shape, key);
  for (const piece of pieces(keys, setSize)) {
    withArrays(piece, arraysOf(shape, key), shape.binary, (values) =>
      script.once(text, values, { expected: counted ? piece.length : 'any', table }),
    );
    yield;
  }
}

function* emitUpdates(script: Script, shape: Shape, net: NetChange, group: readonly number[]): Steps {
  const key = keyOf(shape);
  const table = shape.table.name;
  const sample = net.rows[group[0] as number] as Row;
  const set = shape.filled.filter((i) => isSent(sample, i) && !key.includes(i));
  if (group.length < setWiseFrom || set.length === 0 || !arraysFit(shape, [...set, ...key])) {
    const text = updateRow(shape, set, keyFinder(shape, key, set.length + 1));
    for (const i of group) {
      const values = [...parametersOf(net.rows[i] as Row, set), ...parametersOf(net.keys[i] as Row, key)];
      script.row(text, values, 1, { table, change: null });
    }
    return;
  }
  const text = updateSet(shape, set, key);
  const all = pick(net.rows, group);
  let from = 0;
  for (const piece of pieces(all, setSize)) {
    const keys = pick(net.keys, group.slice(from, from + piece.length));
    from += piece.length;
    withArrays(piece, arraysOf(shape, set), shape.binary, (values) =>
      withArrays(keys, arraysOf(shape, key), shape.binary, (found) =>
        script.once(text, [...values, ...found], { expected: piece.length, table }),
      ),
    );
    yield;
  }
}

function emitUpsert(script: Script, shape: Shape, net: NetChange, i: number): void {
  const { filled } = shape;
  const key = keyOf(shape);
  const text = upsertRow(shape, keyFinder(shape, key, filled.length + 1));
  const values = [...parametersOf(net.rows[i] as Row, filled), ...parametersOf(net.keys[i] as Row, key)];
  script.row(text, values, 'any', { table: shape.table.name, change: null });
}

export function rowsOf(inserts: readonly InsertChange[]): Row[] {
  return inserts.map((insert) => insert.wire ?? insert.after);
}

/** Whole rows, by COPY when there are enough of them. */
export function* emitInserts(script: Script, shape: Shape, rows: readonly Row[]): Steps {
  const { filled } = shape;
  const table = shape.table.name;
  if (rows.length < setWiseFrom || filled.length === 0) {
    const text = insertRow(shape);
    for (const row of rows) script.row(text, parametersOf(row, filled), 'any', { table, change: null });
    return;
  }
  const text = copyRows(shape);
  for (const piece of pieces(rows, copySize)) yield* script.copy(text, piece, { filled, table });
  if (shape.binary) script.own(typesAsRead, typesRead(shape), table);
}

/** Arrays of text carry text only, so what travels as text (see {@link TargetColumn.asText}) goes row by row in binary. */
function arraysFit(shape: Shape, positions: readonly number[]): boolean {
  return !shape.binary || positions.every((i) => !column(shape.table, i).asText);
}

function arraysOf(shape: Shape, positions: readonly number[]): ArrayOf[] {
  return positions.map((position) => {
    const { asText, delimiter, oid } = column(shape.table, position);
    return { position, oid, delimiter: asText ? ',' : delimiter };
  });
}

/** Cuts rows into parts that stay below `most` bytes (one row may exceed it alone). */
function* pieces(rows: readonly Row[], most: number): Iterable<readonly Row[]> {
  let from = 0;
  let size = 0;
  for (let i = 0; i < rows.length; i++) {
    const more = sizeOf(rows[i] as Row);
    if (size + more > most && i > from) {
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
