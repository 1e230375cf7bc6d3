import { dataError, unsupportedForm } from '../errors.ts';
import { DAY, type Micros } from './datetime.ts';
import { trimSpace } from './decimal.ts';

/** Months and days are kept apart, as their length depends on where they are added. */
export interface Interval {
  readonly months: number;
  readonly days: number;
  readonly micros: Micros;
}

const overflow = () => dataError('22008', 'interval out of range');

/** Months and days of 32 bits, microseconds of 64, as the server stores them. */
export function interval(months: number, days: number, micros: bigint): Interval {
  if ((months | 0) !== months || (days | 0) !== days || BigInt.asIntN(64, micros) !== micros) throw overflow();
  return { months: months + 0, days: days + 0, micros };
}

/** Months of 30 days of 24 hours: what intervals are compared by (interval_cmp_value). */
const span = ({ months, days, micros }: Interval): bigint => BigInt(months * 30 + days) * DAY + micros;
export function compareInterval(a: Interval, b: Interval): number {
  const [x, y] = [span(a), span(b)];
  return x < y ? -1 : x > y ? 1 : 0;
}

const two = (n: bigint): string => n.toString().padStart(2, '0');

/** IntervalStyle postgres: `1 year 2 mons -3 days +04:05:06.7`. */
export function encodeInterval({ months, days, micros }: Interval): string {
  const parts: string[] = [];
  let afterNegative = false;
  for (const [value, unit] of [
    [Math.trunc(months / 12), 'year'],
    [months % 12, 'mon'],
    [days, 'day'],
  ] as const) {
    if (value === 0) continue;
    parts.push(`${afterNegative && value > 0 ? '+' : ''}${value} ${unit}${value === 1 ? '' : 's'}`);
    afterNegative = value < 0;
  }
  if (parts.length === 0 || micros !== 0n) {
    const at = micros < 0n ? -micros : micros;
    const fraction = at % 1_000_000n;
    const seconds = at / 1_000_000n;
    const shown = fraction === 0n ? '' : `.${fraction.toString().padStart(6, '0').replace(/0+$/, '')}`;
    const time = `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${shown}`;
    parts.push(`${micros < 0n ? '-' : afterNegative ? '+' : ''}${time}`);
  }
  return parts.join(' ');
}

/** The value of a unit, and its field: a unit that occurs twice is left to the server. */
type Unit = readonly [place: string, of: 'months' | 'days' | 'micros', worth: bigint];
const table: readonly (readonly [string, ...Unit])[] = [
  ['microsecond microseconds', 'us', 'micros', 1n],
  ['millisecond milliseconds', 'ms', 'micros', 1000n],
  ['second seconds sec secs', 'time', 'micros', 1_000_000n],
  ['minute minutes min mins', 'minute', 'micros', 60_000_000n],
  ['hour hours hr hrs', 'hour', 'micros', 3_600_000_000n],
  ['day days', 'day', 'days', 1n],
  ['week weeks', 'week', 'days', 7n],
  ['month months mon mons', 'month', 'months', 1n],
  ['year years yr yrs', 'year', 'months', 12n],
  ['decade decades', 'decade', 'months', 120n],
  ['century centuries', 'century', 'months', 1200n],
];
const units = new Map<string, Unit>(table.flatMap(([names, ...unit]) => names.split(' ').map((name) => [name, unit])));

const clock = /^([+-]?)(\d{1,9}):(\d{2})(?::(\d{2})(?:\.(\d{1,6}))?)?$/;
const amount = /^([+-]?)(\d{1,10})(?:\.(\d{1,6}))?$/;

/** interval_in: numbers with units, and a time of day. Other forms (ISO 8601, `ago`, fractions of days) are refused, not guessed. */
export function parseInterval(input: string): Interval {
  const words = trimSpace(input)
    .toLowerCase()
    .split(/[ \t]+/);
  const sum = { months: 0n, days: 0n, micros: 0n };
  const seen = new Set<string>();
  const refuse = () =>
    unsupportedForm('text cast to interval that is not numbers with units and a time, as in 1 day 02:00');
  const once = (place: string): void => {
    if (seen.has(place)) throw refuse();
    seen.add(place);
  };
  for (let i = 0; i < words.length; i++) {
    const time = clock.exec(words[i] as string);
    if (time !== null) {
      for (const place of ['time', 'minute', 'hour', 'ms', 'us']) once(place);
      sum.micros += timeOf(time, refuse);
      continue;
    }
    const number = amount.exec(words[i] as string);
    const unit = units.get(words[++i] ?? '');
    if (number === null || unit === undefined) throw refuse();
    const [place, of, worth] = unit;
    once(place);
    const [, sign, whole = '', fraction] = number;
    if (fraction !== undefined && place !== 'time') throw refuse();
    const value = BigInt(whole) * worth + BigInt((fraction ?? '').padEnd(6, '0'));
    sum[of] += sign === '-' ? -value : value;
  }
  const { months, days, micros } = sum;
  if (BigInt.asIntN(32, months) !== months || BigInt.asIntN(32, days) !== days) throw refuse();
  if (BigInt.asIntN(63, micros) !== micros) throw refuse();
  return { months: Number(months), days: Number(days), micros };
}

function timeOf([, sign, hours, minutes, seconds = '0', fraction = '']: RegExpExecArray, refuse: () => Error): bigint {
  if (Number(minutes) > 59 || Number(seconds) > 59) throw refuse();
  const whole = BigInt(hours as string) * 3600n + BigInt(minutes as string) * 60n + BigInt(seconds);
  const micros = whole * 1_000_000n + BigInt(fraction.padEnd(6, '0'));
  return sign === '-' ? -micros : micros;
}

/** The server's own output has the same form; `infinity` is of 17 and later. */
export function decodeInterval(text: string): Interval {
  if (text.endsWith('infinity')) throw unsupportedForm('an infinite interval');
  return parseInterval(text);
}
