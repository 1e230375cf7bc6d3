import type { Expr } from '../expr.ts';
import { unsupportedForm } from '../errors.ts';
import type { Refusal } from '../table.ts';
import * as dt from '../values/datetime.ts';
import { Decimal, INFINITY, MINUS_INFINITY } from '../values/decimal.ts';

/** Fields of EXTRACT (manual: "EXTRACT, date_part"). julian is left out: its fraction is a numeric division of its own. */
const dayFields = [
  'year',
  'month',
  'day',
  'dow',
  'isodow',
  'doy',
  'week',
  'isoyear',
  'quarter',
  'decade',
  'century',
  'millennium',
  'epoch',
];
const timeFields = ['hour', 'minute', 'second', 'milliseconds', 'microseconds'];
/** Fields that grow with time have an infinite value for an infinite time; the others are NULL. */
const monotonic = new Set(['year', 'isoyear', 'decade', 'century', 'millennium', 'epoch']);

const aliases: Readonly<Record<string, string>> = {
  years: 'year',
  months: 'month',
  days: 'day',
  hours: 'hour',
  minutes: 'minute',
  seconds: 'second',
  weeks: 'week',
  decades: 'decade',
  centuries: 'century',
  millennia: 'millennium',
  millisecond: 'milliseconds',
  microsecond: 'microseconds',
  msec: 'milliseconds',
  usec: 'microseconds',
};
export function fieldName(text: string): string {
  const lower = text.toLowerCase();
  return aliases[lower] ?? lower;
}

/** The field must be a known constant, so that a wrong one is found when the file is read. */
export function checkField(allowed: 'date' | 'timestamp' | 'zoned') {
  return ([field]: readonly Expr[]): Refusal | null => {
    if (field?.op !== 'const' || field.text === null)
      return { code: 'PGS4107', message: 'the field must be a constant such as year' };
    const name = fieldName(field.text);
    if (allowed === 'zoned') {
      return name === 'epoch'
        ? null
        : {
            code: 'PGS4106',
            message: `${name} of a timestamp with time zone depends on TimeZone: write x AT TIME ZONE 'UTC'`,
          };
    }
    const known = allowed === 'date' ? dayFields : [...dayFields, ...timeFields];
    return known.includes(name)
      ? null
      : { code: 'PGS4107', message: `field ${name} is not supported; there are ${known.join(', ')}` };
  };
}

const int = (n: number | bigint): Decimal => new Decimal(BigInt(n), 0);
const weekday = (days: dt.Days): number => (((days + 4) % 7) + 7) % 7;

/** ISO 8601 week and its year: the week of the year's first Thursday is week 1. */
export function isoWeek(days: dt.Days): { year: number; week: number } {
  const thursday = days - ((weekday(days) + 6) % 7) + 3;
  const { year } = dt.fieldsOf(thursday);
  return { year, week: Math.floor((thursday - dt.daysOf(year, 1, 1)) / 7) + 1 };
}
export const dayOfYear = (days: dt.Days): number => days - dt.daysOf(dt.fieldsOf(days).year, 1, 1) + 1;
export const dayOfWeek = weekday;
/** Years without a year 0. */
const shownYear = (year: number): number => (year > 0 ? year : year - 1);
const up = (year: number, span: number): number =>
  year > 0 ? Math.floor((year + span - 1) / span) : -Math.floor((span - 1 - (year - 1)) / span);

function dayField(field: string, days: dt.Days): number {
  const { year, month, day } = dt.fieldsOf(days);
  switch (field) {
    case 'year':
      return shownYear(year);
    case 'month':
      return month;
    case 'day':
      return day;
    case 'dow':
      return weekday(days);
    case 'isodow':
      return weekday(days) || 7;
    case 'doy':
      return dayOfYear(days);
    case 'week':
      return isoWeek(days).week;
    case 'isoyear':
      return shownYear(isoWeek(days).year);
    case 'quarter':
      return Math.floor((month - 1) / 3) + 1;
    case 'decade':
      return year >= 0 ? Math.floor(year / 10) : -Math.floor((8 - (year - 1)) / 10);
    case 'century':
      return up(year, 100);
    default:
      return up(year, 1000);
  }
}

export function extractTimestamp(text: string, at: dt.Micros): Decimal | null {
  const field = fieldName(text);
  if (dt.isForever(at)) return monotonic.has(field) ? (at > 0n ? INFINITY : MINUS_INFINITY) : null;
  const { days, rest } = dt.splitMicros(at);
  switch (field) {
    case 'epoch':
      // Before 15 the server computes these values in floating point.
      if (BigInt.asIntN(64, at) !== at) throw unsupportedForm('the epoch of a timestamp after the year 292277');
      return new Decimal(at, 6);
    case 'hour':
      return int(Math.floor(rest / 3_600_000_000));
    case 'minute':
      return int(Math.floor(rest / 60_000_000) % 60);
    case 'second':
      return new Decimal(BigInt(rest % 60_000_000), 6);
    case 'milliseconds':
      return new Decimal(BigInt(rest % 60_000_000), 3);
    case 'microseconds':
      return int(rest % 60_000_000);
    default:
      return int(dayField(field, days));
  }
}
export function extractDate(text: string, days: dt.Days): Decimal | null {
  const field = fieldName(text);
  if (!Number.isFinite(days)) return monotonic.has(field) ? (days > 0 ? INFINITY : MINUS_INFINITY) : null;
  return field === 'epoch' ? int(BigInt(days) * 86_400n) : int(dayField(field, days));
}

export const truncFields = [
  'microseconds',
  'milliseconds',
  'second',
  'minute',
  'hour',
  'day',
  'week',
  'month',
  'quarter',
  'year',
  'decade',
  'century',
  'millennium',
];
const units: Readonly<Record<string, bigint>> = {
  microseconds: 1n,
  milliseconds: 1000n,
  second: 1_000_000n,
  minute: 60_000_000n,
  hour: 3_600_000_000n,
  day: dt.DAY,
};

export function truncTimestamp(text: string, at: dt.Micros): dt.Micros {
  if (dt.isForever(at)) return at;
  const field = fieldName(text);
  const unit = units[field];
  if (unit !== undefined) return dt.checkMicros(dt.floorDiv(at, unit) * unit);
  const { days } = dt.splitMicros(at);
  const { year, month } = dt.fieldsOf(days);
  const first = (y: number, m = 1): dt.Micros => dt.checkMicros(BigInt(dt.daysOf(y, m, 1)) * dt.DAY);
  switch (field) {
    case 'week':
      return dt.checkMicros(BigInt(days - ((weekday(days) + 6) % 7)) * dt.DAY);
    case 'month':
      return first(year, month);
    case 'quarter':
      return first(year, month - ((month - 1) % 3));
    case 'year':
      return first(year);
    case 'decade':
      return first(year > 0 ? Math.floor(year / 10) * 10 : -Math.floor((8 - (year - 1)) / 10) * 10);
    case 'century':
      return first(year > 0 ? up(year, 100) * 100 - 99 : up(year, 100) * 100 + 1);
    default:
      return first(year > 0 ? up(year, 1000) * 1000 - 999 : up(year, 1000) * 1000 + 1);
  }
}
