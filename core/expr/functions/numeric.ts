import { dataError, divisionByZero, outOfRange, unsupportedForm } from '../errors.ts';
import { type Entry, strict } from '../table.ts';
import * as decimal from '../values/decimal.ts';
import { rint } from '../values/float.ts';

/**
 * int2 and int4 fit into a JavaScript number, with room for one operation; a product of two int4 is at most 2^62, so
 * its range is checked first.
 */
function small(type: 'int2' | 'int4', bits: 16 | 32): Entry[] {
  const top = 2 ** (bits - 1);
  const label = type === 'int2' ? 'smallint' : 'integer';
  const fit = (value: number): number => {
    if (value < -top || value >= top) throw outOfRange(label);
    return value === 0 ? 0 : value;
  };
  const pair = [type, type] as const;
  const one = [type] as const;
  return [
    strict('+', pair, type, (a, b) => fit(a + b)),
    strict('-', pair, type, (a, b) => fit(a - b)),
    // Beyond 2^53 the product is inexact and far out of range.
    strict('*', pair, type, (a, b) => fit(a * b)),
    strict('/', pair, type, (a, b) => {
      if (b === 0) throw divisionByZero();
      return fit(Math.trunc(a / b));
    }),
    strict('%', pair, type, (a, b) => modulo(a, b)),
    strict('mod', pair, type, (a, b) => modulo(a, b)),
    strict('-', one, type, (a) => fit(-a)),
    strict('+', one, type, (a) => a),
    strict('abs', one, type, (a) => fit(Math.abs(a))),
    strict('@', one, type, (a) => fit(Math.abs(a))),
  ];
}
function modulo(a: number, b: number): number {
  if (b === 0) throw divisionByZero();
  const rest = a % b;
  return rest === 0 ? 0 : rest;
}

const fit8 = (value: bigint): bigint => {
  if (BigInt.asIntN(64, value) !== value) throw outOfRange('bigint');
  return value;
};
const rest8 = (a: bigint, b: bigint): bigint => {
  if (b === 0n) throw divisionByZero();
  return a % b;
};
const wide = ['int8', 'int8'] as const;
const bigints: readonly Entry[] = [
  strict('+', wide, 'int8', (a, b) => fit8(a + b)),
  strict('-', wide, 'int8', (a, b) => fit8(a - b)),
  strict('*', wide, 'int8', (a, b) => fit8(a * b)),
  strict('/', wide, 'int8', (a, b) => {
    if (b === 0n) throw divisionByZero();
    return fit8(a / b);
  }),
  strict('%', wide, 'int8', rest8),
  strict('mod', wide, 'int8', rest8),
  strict('-', ['int8'], 'int8', (a) => fit8(-a)),
  strict('+', ['int8'], 'int8', (a) => a),
  strict('abs', ['int8'], 'int8', (a) => fit8(a < 0n ? -a : a)),
  strict('@', ['int8'], 'int8', (a) => fit8(a < 0n ? -a : a)),
];

/** numeric_round clamps the scale, at limits that differ between versions and are far outside of useful values. */
function scaleOf(n: number): number {
  if (n > 1000 || n < -1000) throw unsupportedForm('round or trunc to more than 1000 digits');
  return n;
}
const exact = ['numeric', 'numeric'] as const;
const numerics: readonly Entry[] = [
  strict('+', exact, 'numeric', decimal.add),
  strict('-', exact, 'numeric', decimal.subtract),
  strict('*', exact, 'numeric', decimal.multiply),
  strict('/', exact, 'numeric', decimal.divide),
  strict('%', exact, 'numeric', decimal.modulo),
  strict('mod', exact, 'numeric', decimal.modulo),
  strict('-', ['numeric'], 'numeric', decimal.negate),
  strict('+', ['numeric'], 'numeric', (a) => a),
  strict('abs', ['numeric'], 'numeric', decimal.absolute),
  strict('@', ['numeric'], 'numeric', decimal.absolute),
  strict('round', ['numeric'], 'numeric', (a) => decimal.round(a, 0)),
  strict('round', ['numeric', 'int4'], 'numeric', (a, n) => decimal.round(a, scaleOf(n))),
  strict('trunc', ['numeric'], 'numeric', (a) => decimal.truncate(a, 0)),
  strict('trunc', ['numeric', 'int4'], 'numeric', (a, n) => decimal.truncate(a, scaleOf(n))),
  strict('floor', ['numeric'], 'numeric', decimal.floor),
  strict('ceil', ['numeric'], 'numeric', decimal.ceil),
  strict('ceiling', ['numeric'], 'numeric', decimal.ceil),
  strict('sign', ['numeric'], 'numeric', (a) => {
    const sign = decimal.sign(a);
    return sign === 2 ? decimal.NAN : decimal.fromInt(sign);
  }),
];

/** Overflow and underflow, checked as float8_plus and related functions check them. */
function floats(type: 'float4' | 'float8', round: (value: number) => number): Entry[] {
  const label = type === 'float4' ? 'real' : 'double precision';
  const overflows = (result: number, a: number, b: number): number => {
    if (!Number.isFinite(result) && !Number.isNaN(result) && Number.isFinite(a) && Number.isFinite(b)) {
      throw dataError('22003', `value out of range for type ${label}: overflow`);
    }
    return result;
  };
  const underflow = () => dataError('22003', `value out of range for type ${label}: underflow`);
  const pair = [type, type] as const;
  return [
    strict('+', pair, type, (a, b) => overflows(round(a + b), a, b)),
    strict('-', pair, type, (a, b) => overflows(round(a - b), a, b)),
    strict('*', pair, type, (a, b) => {
      const result = overflows(round(a * b), a, b);
      if (result === 0 && a !== 0 && b !== 0) throw underflow();
      return result;
    }),
    strict('/', pair, type, (a, b) => {
      if (b === 0 && !Number.isNaN(a)) throw divisionByZero();
      const result = round(a / b);
      if (!Number.isFinite(result) && !Number.isNaN(result) && Number.isFinite(a)) overflows(result, a, 0);
      if (result === 0 && a !== 0 && Number.isFinite(b)) throw underflow();
      return result;
    }),
    strict('-', [type], type, (a) => -a),
    strict('+', [type], type, (a) => a),
    strict('abs', [type], type, (a) => Math.abs(a)),
    strict('@', [type], type, (a) => Math.abs(a)),
  ];
}

const wholeFloat = (name: string, f: (value: number) => number): Entry => strict(name, ['float8'], 'float8', f);

export const numeric: readonly Entry[] = [
  ...small('int2', 16),
  ...small('int4', 32),
  ...bigints,
  ...numerics,
  ...floats('float4', Math.fround),
  ...floats('float8', (value) => value),
  wholeFloat('round', rint),
  wholeFloat('trunc', Math.trunc),
  wholeFloat('floor', Math.floor),
  wholeFloat('ceil', Math.ceil),
  wholeFloat('ceiling', Math.ceil),
  strict('sign', ['float8'], 'float8', (a) => (a > 0 ? 1 : a < 0 ? -1 : 0)),
];
