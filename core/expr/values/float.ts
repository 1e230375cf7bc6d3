import { invalidText, outOfRange, unsupportedForm } from '../errors.ts';
import { trimSpace } from './decimal.ts';

/** float8out and float4out with extra_float_digits ≥ 1: the shortest digits that read back, fixed within 10^-4 … 10^15 (10^6). */
export function encodeFloat8(value: number): string {
  return special(value) ?? layout(value.toExponential(), 15);
}
export function encodeFloat4(value: number): string {
  return special(value) ?? layout(shortest4(value), 6);
}
export function decodeFloat(text: string): number {
  return Number(text);
}

function special(value: number): string | null {
  if (Number.isNaN(value)) return 'NaN';
  if (value === Number.POSITIVE_INFINITY) return 'Infinity';
  if (value === Number.NEGATIVE_INFINITY) return '-Infinity';
  if (value === 0) return Object.is(value, -0) ? '-0' : '0';
  return null;
}

function layout(exponential: string, fixedBelow: number): string {
  const [mantissa = '', power = '0'] = exponential.split('e');
  const exponent = Number(power);
  const sign = mantissa.startsWith('-') ? '-' : '';
  const digits = mantissa.replace(/[-.]/g, '');
  if (exponent < -4 || exponent >= fixedBelow) {
    const rest = digits.length > 1 ? `.${digits.slice(1)}` : '';
    return `${sign}${digits[0]}${rest}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`;
  }
  if (exponent < 0) return `${sign}0.${'0'.repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, '0');
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

function shortest4(value: number): string {
  for (let digits = 0; digits < 9; digits++) {
    const text = value.toExponential(digits);
    if (Math.fround(Number(text)) === value) return strip(text);
    // Below a power of two the interval is lopsided: a neighbour on the wide side may read back.
    const [mantissa = '', exponent = ''] = text.split('e');
    const step = 10 ** -digits;
    const up = `${(Number(mantissa) + Math.sign(value) * step).toFixed(digits)}e${exponent}`;
    if (Math.fround(Number(up)) === value) return strip(Number(up).toExponential());
  }
  return strip(value.toExponential(8));
}
const strip = (text: string): string => text.replace(/(\.\d*?)0+e/, '$1e').replace('.e', 'e');

const form = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
/** float8in and float4in: 22003 where the text is a number that the type cannot hold, also where it would become zero. */
export function parseFloat8(input: string, type = 'double precision'): number {
  const text = trimSpace(input);
  if (!form.test(text)) {
    const word = /^([+-]?)(?:inf|infinity)$/i.exec(text);
    if (word !== null) return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
    if (/^[+-]?nan$/i.test(text)) return Number.NaN;
    if (/^[+-]?(0x|nan\()/i.test(text)) throw unsupportedForm(`hexadecimal text cast to ${type}`);
    throw invalidText(type);
  }
  const value = Number(text);
  if (!Number.isFinite(value) || (value === 0 && /[1-9]/.test(text.replace(/[eE].*/, '')))) throw outOfRange(type);
  return value;
}
export function parseFloat4(input: string): number {
  const wide = parseFloat8(input, 'real');
  // Text beside the middle of two float4 values may have been rounded onto it by the float8 in between.
  if (halfway(wide) && !(Number.isSafeInteger(wide) && /^[+-]?\d+(\.0*)?$/.test(trimSpace(input)))) {
    throw unsupportedForm('text halfway between two values of type real');
  }
  return toFloat4(wide);
}
function halfway(wide: number): boolean {
  const near = Math.fround(wide);
  return Number.isFinite(near) && near !== wide && Math.fround(near + 2 * (wide - near)) === near + 2 * (wide - near);
}

export function toFloat4(value: number): number {
  const narrow = Math.fround(value);
  if (!Number.isFinite(narrow) && Number.isFinite(value)) throw outOfRange('real');
  if (narrow === 0 && value !== 0) throw outOfRange('real');
  return narrow;
}
/** One rounding, as C converts a 64-bit integer to float: what a float8 cannot hold is kept as a sticky bit. */
export function bigintToFloat4(value: bigint): number {
  const size = value < 0n ? -value : value;
  if (size < 1n << 53n) return Math.fround(Number(value));
  const sticky = (size >> 11n) | ((size & 0x7ffn) === 0n ? 0n : 1n);
  const narrow = Math.fround(Number(sticky)) * 2048;
  return value < 0n ? -narrow : narrow;
}

/** NaN equals NaN and is greater than everything (manual: "Floating-Point Types"). */
export function compareFloat(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  if (Number.isNaN(a)) return Number.isNaN(b) ? 0 : 1;
  return -1;
}

/** Half to even, as rint does. */
export function rint(value: number): number {
  const down = Math.floor(value);
  const rest = value - down;
  if (rest === 0 || !Number.isFinite(value)) return value;
  const result = rest < 0.5 || (rest === 0.5 && down % 2 === 0) ? down : down + 1;
  return result === 0 && value < 0 ? -0 : result;
}
