import { oidsOf } from '../../../core/postgres/oids.ts';
import type { NetChange } from './net-change.ts';
import type { TargetShape } from './identity.ts';

const integers = oidsOf('int8', 'int2', 'int4', 'oid');

export function isInteger(shape: TargetShape, position: number): boolean {
  return integers.has(shape.table.columns[position]?.base ?? 0);
}

/**
 * Puts numbers of rows into the order of their keys. Rows that are neighbours in an index then meet its pages, and mostly
 * those of the table, one after the other: on a table of 500,000 rows an UPDATE of 20,000 takes about a third less CPU.
 * Nothing rests on the order, so integers beyond 2^53, collations and further columns of a key need no care.
 */
export function inKeyOrder(shape: TargetShape, net: NetChange, at: number[]): number[] {
  const { first } = net;
  if (!isInteger(shape, (shape.key as readonly number[])[0] as number)) {
    return at.sort((a, b) => ((first[a] as string) < (first[b] as string) ? -1 : 1));
  }
  const numbers = new Float64Array(net.size);
  for (const i of at) {
    const value = first[i] as string | number;
    if (typeof value === 'number') numbers[i] = value;
    else numbers[i] = shape.binary ? fromBytes(value) : Number(value);
  }
  return at.sort((a, b) => (numbers[a] as number) - (numbers[b] as number));
}

/** Two's complement, big-endian, one byte per character. */
function fromBytes(bytes: string): number {
  let value = (bytes.charCodeAt(0) << 24) >> 24;
  for (let i = 1; i < bytes.length; i++) value = value * 256 + bytes.charCodeAt(i);
  return value;
}
