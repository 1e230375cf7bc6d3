import { invalidText, outOfRange, unsupportedForm } from '../errors.ts';
import { trimSpace } from './decimal.ts';

/**
 * float8out and float4out with extra_float_digits ≥ 1: the shortest digits that lie strictly nearer to the value than to its
 * neighbours, fixed within 10^-4 … 10^15 (10^6). JavaScript also takes digits that lie exactly in the middle.
 */
export function encodeFloat8(value: number): string {
  return special(value) ?? layout(shortest8(value), 15);
}
export function encodeFloat4(value: number): string {
  return special(value) ?? layout(shortest4(value), 6);
}

function shortest8(value: number): string {
  const text = value.toExponential();
  // A middle between two values has 54 significant bits; below 2^53 no decimal this short is one.
  if (Math.abs(value) < 2 ** 53 || !isMiddle(text, value)) return text;
  for (let digits = text.replace(/e.*|\D/g, '').length - 1; digits < 17; digits++) {
    const longer = value.toExponential(digits);
    if (Number(longer) === value && !isMiddle(longer, value)) return strip(longer);
  }
  return value.toExponential(16);
}
const bits = new DataView(new ArrayBuffer(8));
/** Is the decimal exactly in the middle between the value (2^53 at least) and one of its neighbours? */
function isMiddle(text: string, value: number): boolean {
  const exact = BigInt(Math.abs(value));
  bits.setFloat64(0, Math.abs(value));
  const pattern = bits.getBigUint64(0);
  const [below, above] = [-1n, 1n].map((step) => {
    bits.setBigUint64(0, pattern + step);
    const neighbour = bits.getFloat64(0);
    return Number.isFinite(neighbour) ? BigInt(neighbour) : exact + exact - BigInt(beforeMax);
  }) as [bigint, bigint];
  const [mantissa = '', exponent = '0'] = text.replace('-', '').split('e');
  const digits = mantissa.replace('.', '');
  const power = Number(exponent) - (digits.length - 1);
  if (power < 0) return false;
  const twice = 2n * BigInt(digits) * 10n ** BigInt(power);
  return twice === exact + below || twice === exact + above;
}
const beforeMax = Number.MAX_VALUE - 2 ** 970;

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
    const text = evenTie(value, digits) ?? value.toExponential(digits);
    if (strictlyNear4(Number(text), value)) return strip(text);
    // Below a power of two the interval is lopsided: a neighbour on the wide side may read back.
    const [mantissa = '', exponent = ''] = text.split('e');
    const step = 10 ** -digits;
    const up = `${(Number(mantissa) + Math.sign(value) * step).toFixed(digits)}e${exponent}`;
    if (strictlyNear4(Number(up), value)) return strip(Number(up).toExponential());
  }
  return strip(value.toExponential(8));
}
/** A float4 that lies exactly between two decimals of so many digits becomes the even one; JavaScript rounds away from zero. */
function evenTie(value: number, digits: number): string | null {
  const size = Math.abs(value);
  const shift = digits - Math.floor(Math.log10(size));
  // 24 bits times 5^12 are exact in a float8; farther out there is no tie, or the value is an integer.
  if (shift < 0 || shift > 12) return null;
  const scaled = size * 10 ** shift;
  if (scaled % 1 !== 0.5) return null;
  const down = Math.floor(scaled);
  return ((Math.sign(value) * (down % 2 === 0 ? down : down + 1)) / 10 ** shift).toExponential(digits);
}
const floats = new Float32Array(1);
const words = new Int32Array(floats.buffer);
/** Nearer to the float4 than to its neighbours; their middles are exact in a float8. */
function strictlyNear4(wide: number, value: number): boolean {
  if (Math.fround(wide) !== value) return false;
  floats[0] = value;
  const pattern = words[0] as number;
  return [-1, 1].every((step) => {
    words[0] = pattern + step;
    const neighbour = floats[0] as number;
    return !Number.isFinite(neighbour) || wide !== (value + neighbour) / 2;
  });
}
const strip = (text: string): string => text.replace(/(\.\d*?)0+e/, '$1e').replace('.e', 'e');

const form = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?/;
/** float8in and float4in: 22003 where the text is a number that the type cannot hold, also where it would become zero. */
export function parseFloat8(input: string, type = 'double precision'): number {
  const text = trimSpace(input);
  if (/^[+-]?0x/i.test(text)) throw unsupportedForm(`hexadecimal text cast to ${type}`);
  const [leading = ''] = form.exec(text) ?? [];
  if (leading === '') return parseWord(text, type);
  // A number out of range is an error even if other characters follow it.
  const value = Number(leading);
  if (!Number.isFinite(value) || (value === 0 && /[1-9]/.test(leading.replace(/[eE].*/, '')))) throw outOfRange(type);
  if (leading !== text) throw invalidText(type);
  return value;
}
function parseWord(text: string, type: string): number {
  const word = /^([+-]?)(?:inf|infinity)$/i.exec(text);
  if (word !== null) return word[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (/^[+-]?nan$/i.test(text)) return Number.NaN;
  if (/^[+-]?nan\(/i.test(text)) throw unsupportedForm(`a NaN with a payload cast to ${type}`);
  throw invalidText(type);
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
