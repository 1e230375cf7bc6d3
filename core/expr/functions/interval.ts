import type { Expr } from '../expr.ts';
import { dataError, divisionByZero, unsupportedForm } from '../errors.ts';
import { type Entry, type Evaluate, type Refusal, strict, strictBuild, strictWith } from '../table.ts';
import type { TypeName } from '../types.ts';
import * as dt from '../values/datetime.ts';
import { Decimal } from '../values/decimal.ts';
import { rint } from '../values/float.ts';
import { type Interval, interval } from '../values/interval.ts';
import { fieldName } from './date-fields.ts';

const overflow = () => dataError('22008', 'interval out of range');

function sum(a: Interval, b: Interval): Interval {
  return interval(a.months + b.months, a.days + b.days, a.micros + b.micros);
}
function negated({ months, days, micros }: Interval): Interval {
  return interval(0 - months, 0 - days, -micros);
}

/**
 * timestamp_pl_interval: adds months first (a day that the month lacks becomes its last day), then days, then the rest.
 */
function shift(at: dt.Micros, { months, days, micros }: Interval): dt.Micros {
  if (dt.isForever(at)) return at;
  let moved = at;
  if (months !== 0) moved = shiftMonths(moved, months);
  if (days !== 0) moved = dt.checkMicros(moved + BigInt(days) * dt.DAY);
  return dt.checkMicros(moved + micros);
}
function shiftMonths(at: dt.Micros, months: number): dt.Micros {
  const { days, rest } = dt.splitMicros(at);
  const { year, month, day } = dt.fieldsOf(days);
  const index = year * 12 + month - 1 + months;
  const [to, of] = [Math.floor(index / 12), (((index % 12) + 12) % 12) + 1];
  const last = dt.daysOf(of === 12 ? to + 1 : to, of === 12 ? 1 : of + 1, 1) - dt.daysOf(to, of, 1);
  return dt.checkMicros(BigInt(dt.daysOf(to, of, Math.min(day, last))) * dt.DAY + BigInt(rest));
}

/** timestamp_mi: days of 24 hours, and the remainder. */
function between(a: dt.Micros, b: dt.Micros): Interval {
  if (dt.isForever(a) || dt.isForever(b)) throw unsupportedForm('the difference of infinite timestamps');
  const difference = a - b;
  if (BigInt.asIntN(64, difference) !== difference) throw unsupportedForm('a difference of more than 292271 years');
  return interval(0, Number(difference / dt.DAY), difference % dt.DAY);
}

/** Rounded to microseconds, as TSROUND does it. */
const rounded = (seconds: number): number => rint(seconds * 1e6) / 1e6;
const int32 = (value: number): number => {
  if (Number.isNaN(value) || value < -(2 ** 31) || value >= 2 ** 31) throw overflow();
  return Math.trunc(value);
};

/** interval_mul and interval_div, step by step in floating point: `by` computes the product or quotient of a part. */
function scaled({ months, days, micros }: Interval, by: (part: number) => number): Interval {
  const wholeMonths = int32(by(months));
  let wholeDays = int32(by(days));
  const dayRest = rounded((by(months) - wholeMonths) * 30);
  let seconds = rounded((by(days) - wholeDays + dayRest - Math.trunc(dayRest)) * 86_400);
  if (Math.abs(seconds) >= 86_400) {
    const extraDays = Math.trunc(seconds / 86_400);
    wholeDays += extraDays;
    seconds -= extraDays * 86_400;
  }
  wholeDays += Math.trunc(dayRest);
  const rest = rint(by(Number(micros)) + seconds * 1e6);
  if (Number.isNaN(rest) || rest < -(2 ** 63) || rest >= 2 ** 63) throw overflow();
  return interval(wholeMonths, wholeDays, BigInt(rest));
}
function multiplied(of: Interval, factor: number): Interval {
  if (!Number.isFinite(factor)) throw unsupportedForm('an interval times NaN or infinity');
  return scaled(of, (part) => part * factor);
}
function divided(of: Interval, by: number): Interval {
  if (by === 0) throw divisionByZero();
  if (!Number.isFinite(by)) throw unsupportedForm('an interval divided by NaN or infinity');
  return scaled(of, (part) => part / by);
}

/**
 * On the server `interval + date` and the like are SQL functions that add in the other order, so the second argument is
 * evaluated first.
 */
function swapped(
  other: TypeName,
  result: TypeName,
  evaluate: (b: never, a: Interval) => unknown,
  immutable: boolean,
): Entry {
  return {
    ...strictWith({ immutable }, '+', [['interval', other], result], (() => null) as never),
    sql: ([a, b]) => `(${b} OPERATOR(pg_catalog.+) ${a})`,
    build: ([a, b]) => strictBuild(evaluate as never, [b as Evaluate, a as Evaluate]),
  };
}

const dateShift = (days: dt.Days, by: Interval): dt.Micros => shift(dt.dateToMicros(days), by);
const dateBack = (days: dt.Days, by: Interval): dt.Micros => back(dt.dateToMicros(days), by);
const back = (at: dt.Micros, by: Interval): dt.Micros => (dt.isForever(at) ? at : shift(at, negated(by)));
/**
 * Days and months are those of the session's time zone, which is UTC in our sessions; the server marks these functions
 * stable.
 */
const zoned = { immutable: false };

const fields = ['epoch', 'year', 'month', 'day', 'hour', 'minute', 'second', 'milliseconds', 'microseconds'];
function checkField([field]: readonly Expr[]): Refusal | null {
  const known = field?.op === 'const' && field.text !== null && fields.includes(fieldName(field.text));
  return known ? null : { code: 'PGS4107', message: `of an interval there are the fields ${fields.join(', ')}` };
}
/** A year is 365.25 days for the epoch; all parts are cut towards zero. */
function extractInterval(text: string, { months, days, micros }: Interval): Decimal {
  const whole = (value: bigint | number) => new Decimal(BigInt(value), 0);
  switch (fieldName(text)) {
    case 'epoch': {
      const quarters = BigInt(Math.trunc(months / 12) * 1461 + (months % 12) * 120 + days * 4);
      return new Decimal(quarters * 21_600n * 1_000_000n + micros, 6);
    }
    case 'year':
      return whole(Math.trunc(months / 12));
    case 'month':
      return whole(months % 12);
    case 'day':
      return whole(days);
    case 'hour':
      return whole(micros / 3_600_000_000n);
    case 'minute':
      return whole((micros / 60_000_000n) % 60n);
    case 'second':
      return new Decimal(micros % 60_000_000n, 6);
    case 'milliseconds':
      return new Decimal(micros % 60_000_000n, 3);
    default:
      return whole(micros % 60_000_000n);
  }
}
const extractSql = ([field, of]: readonly string[]): string => `pg_catalog.extract(${field}, ${of})`;

export const intervals: readonly Entry[] = [
  strict('+', ['interval', 'interval'], 'interval', sum),
  strict('-', ['interval', 'interval'], 'interval', (a, b) =>
    interval(a.months - b.months, a.days - b.days, a.micros - b.micros),
  ),
  strict('-', ['interval'], 'interval', negated),
  strict('*', ['interval', 'float8'], 'interval', multiplied),
  strict('*', ['float8', 'interval'], 'interval', (factor, of) => multiplied(of, factor)),
  strict('/', ['interval', 'float8'], 'interval', divided),
  strict('+', ['date', 'interval'], 'timestamp', dateShift),
  strict('-', ['date', 'interval'], 'timestamp', dateBack),
  strict('+', ['timestamp', 'interval'], 'timestamp', shift),
  strict('-', ['timestamp', 'interval'], 'timestamp', back),
  strictWith(zoned, '+', [['timestamptz', 'interval'], 'timestamptz'], shift),
  strictWith(zoned, '-', [['timestamptz', 'interval'], 'timestamptz'], back),
  swapped('date', 'timestamp', dateShift, true),
  swapped('timestamp', 'timestamp', shift, true),
  swapped('timestamptz', 'timestamptz', shift, false),
  strict('-', ['timestamp', 'timestamp'], 'interval', between),
  strict('-', ['timestamptz', 'timestamptz'], 'interval', between),
  strictWith({ check: checkField, sql: extractSql }, 'extract', [['text', 'interval'], 'numeric'], extractInterval),
];
