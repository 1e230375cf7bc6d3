import { dataError, unsupportedForm } from '../errors.ts';
import type { Value } from './codec.ts';

/** An array of any dimension, elements in row-major order as the server stores them. */
export class ArrayValue {
  readonly items: readonly (Value | null)[];
  readonly lengths: readonly number[];
  readonly lower: readonly number[];
  constructor(items: readonly (Value | null)[], lengths: readonly number[], lower: readonly number[]) {
    this.items = items;
    this.lengths = lengths;
    this.lower = lower;
  }
}
export const listOf = (items: readonly (Value | null)[]): ArrayValue =>
  items.length === 0 ? new ArrayValue([], [], []) : new ArrayValue(items, [items.length], [1]);

const malformed = () => dataError('22P02', 'malformed array literal');

/**
 * array_in (manual: "Array Input and Output Syntax"): bounds, nesting, quotes, NULL. White space inside an unquoted
 * element is kept, around it dropped.
 */
export function parseArray(input: string, element: (text: string) => Value): ArrayValue {
  let text = input.trim();
  let lower: number[] | null = null;
  if (text.startsWith('[')) {
    const cut = text.indexOf('=');
    const bounds = cut < 0 ? null : [...text.slice(0, cut).matchAll(/\[([+-]?\d+):([+-]?\d+)\]/g)];
    if (bounds === null || bounds.map((b) => b[0]).join('') !== text.slice(0, cut)) {
      throw unsupportedForm('array text with bounds in an unusual form');
    }
    lower = bounds.map((b) => Number(b[1]));
    text = text.slice(cut + 1);
  }
  const items: (Value | null)[] = [];
  const lengths: number[] = [];
  const end = readLevel({ text, items, lengths, element }, 0, 0);
  if (end !== text.length) throw malformed();
  if (items.length === 0) return new ArrayValue([], [], []);
  return new ArrayValue(items, lengths, lower ?? lengths.map(() => 1));
}

interface Reading {
  readonly text: string;
  readonly items: (Value | null)[];
  readonly lengths: number[];
  readonly element: (text: string) => Value;
}
const blank = /[ \t\n\v\f\r]*/y;
function skip(text: string, at: number): number {
  blank.lastIndex = at;
  blank.exec(text);
  return blank.lastIndex;
}

/** Reads one `{…}` that starts at `at` and returns the position after it. */
function readLevel(reading: Reading, from: number, depth: number): number {
  const { text } = reading;
  if (text[from] !== '{' || depth > 5) throw malformed();
  let at = skip(text, from + 1);
  let count = 0;
  if (text[at] === '}') {
    if (depth > 0) throw unsupportedForm('array text with an empty sub-array');
    return at + 1;
  }
  for (;;) {
    at = skip(text, at);
    at = text[at] === '{' ? readLevel(reading, at, depth + 1) : readItem(reading, at, depth);
    count++;
    at = skip(text, at);
    const c = text[at++];
    if (c === '}') break;
    if (c !== ',') throw malformed();
  }
  if (reading.lengths[depth] === undefined) reading.lengths[depth] = count;
  else if (reading.lengths[depth] !== count) throw malformed();
  return at;
}

const quoted = /"((?:[^"\\]|\\.)*)"/sy;
const bare = /(?:[^"\\{},]|\\.)+/sy;
function readItem(reading: Reading, at: number, depth: number): number {
  const { text, items, lengths, element } = reading;
  if (lengths.length > depth + 1) throw malformed();
  quoted.lastIndex = at;
  const inQuotes = quoted.exec(text);
  if (inQuotes !== null) {
    items.push(element((inQuotes[1] ?? '').replace(/\\(.)/gs, '$1')));
    return quoted.lastIndex;
  }
  bare.lastIndex = at;
  const match = bare.exec(text);
  if (match === null) throw malformed();
  const raw = match[0].replace(/[ \t\n\v\f\r]+$/, '');
  if (raw === '') throw malformed();
  items.push(raw.toUpperCase() === 'NULL' && !raw.includes('\\') ? null : element(raw.replace(/\\(.)/gs, '$1')));
  return bare.lastIndex;
}

/** array_out. */
export function encodeArray(array: ArrayValue, element: (value: Value) => string): string {
  if (array.items.length === 0) return '{}';
  const bounds = array.lower.some((low) => low !== 1)
    ? `${array.lower.map((low, i) => `[${low}:${low + (array.lengths[i] as number) - 1}]`).join('')}=`
    : '';
  let at = 0;
  const level = (depth: number): string => {
    const parts: string[] = [];
    for (let i = 0; i < (array.lengths[depth] as number); i++) {
      if (depth < array.lengths.length - 1) parts.push(level(depth + 1));
      else {
        const item = array.items[at++] as Value | null;
        parts.push(item === null ? 'NULL' : quoteItem(element(item)));
      }
    }
    return `{${parts.join(',')}}`;
  };
  return bounds + level(0);
}
function quoteItem(text: string): string {
  if (text !== '' && !/["\\{}, \t\n\v\f\r]/.test(text) && text.toUpperCase() !== 'NULL') return text;
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

/** array_eq: dimensions, bounds and elements; two NULL elements are equal. */
export function equalArrays(a: ArrayValue, b: ArrayValue, equal: (x: Value, y: Value) => boolean): boolean {
  return (
    a.items.length === b.items.length &&
    a.lengths.length === b.lengths.length &&
    a.lengths.every((length, i) => length === b.lengths[i] && a.lower[i] === b.lower[i]) &&
    a.items.every((item, i) => {
      const other = b.items[i] as Value | null;
      return item === null || other === null ? item === other : equal(item, other);
    })
  );
}
