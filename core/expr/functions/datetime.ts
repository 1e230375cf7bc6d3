import type { Expr } from '../expr.ts';
import { dataError } from '../errors.ts';
import { type Entry, type Evaluate, type Refusal, strict, strictBuild, strictWith } from '../table.ts';
import * as dt from '../values/datetime.ts';
import { encodeDecimal } from '../values/decimal.ts';
import { checkField, extractDate, extractTimestamp, fieldName, truncFields, truncTimestamp } from './date-fields.ts';
import { checkFormat, toChar } from './to-char.ts';

const utc = /^(?:utc|gmt|z|etc\/utc|zulu)$/i;
function checkZone(at: number) {
  return (args: readonly Expr[]): Refusal | null => {
    const zone = args[at];
    const known = zone?.op === 'const' && zone.text !== null && utc.test(zone.text);
    return known
      ? null
      : {
          code: 'PGS4106',
          message: "only the time zone 'UTC' is supported: rules of other zones differ between servers",
        };
  };
}
function checkTrunc([field]: readonly Expr[]): Refusal | null {
  const known = field?.op === 'const' && field.text !== null && truncFields.includes(fieldName(field.text));
  return known ? null : { code: 'PGS4107', message: `date_trunc takes one of ${truncFields.join(', ')} as a constant` };
}
function checkTruncZone(args: readonly Expr[]): Refusal | null {
  return checkTrunc(args) ?? checkZone(2)(args);
}

function addDays(days: dt.Days, n: number): dt.Days {
  return Number.isFinite(days) ? dt.checkDays(days + n) : days;
}
/** On the server `int4 + date` is a SQL function that adds in the other order, and so evaluates the date first. */
const intPlusDate: Entry = {
  ...strict('+', ['int4', 'date'], 'date', (n, days) => addDays(days, n)),
  sql: ([a, b]) => `(${b} OPERATOR(pg_catalog.+) ${a})`,
  build: ([a, b]) => strictBuild((days, n) => addDays(days as number, n as number), [b as Evaluate, a as Evaluate]),
};
function subtractDates(a: dt.Days, b: dt.Days): number {
  if (!Number.isFinite(a) || !Number.isFinite(b)) throw dataError('22008', 'cannot subtract infinite dates');
  return a - b;
}
function makeDate(year: number, month: number, day: number): dt.Days {
  const wrong = () => dataError('22008', 'date field value out of range');
  if (year === 0 || Math.abs(year) > 6_000_000 || month < 1 || month > 12 || day < 1 || day > 31) throw wrong();
  const days = dt.daysOf(year < 0 ? year + 1 : year, month, day);
  if (dt.fieldsOf(days).day !== day) throw wrong();
  return dt.checkDays(days);
}

/** EXTRACT is a keyword form: its field is written as a plain string. */
const extractSql = ([field, of]: readonly string[]): string => `pg_catalog.extract(${field}, ${of})`;
const asFloat = (value: ReturnType<typeof extractTimestamp>): number | null =>
  value === null ? null : Number(encodeDecimal(value));

export const datetime: readonly Entry[] = [
  strict('+', ['date', 'int4'], 'date', addDays),
  intPlusDate,
  strict('-', ['date', 'int4'], 'date', (days, n) => addDays(days, -n)),
  strict('-', ['date', 'date'], 'int4', subtractDates),
  strictWith({ check: checkField('date'), sql: extractSql }, 'extract', [['text', 'date'], 'numeric'], extractDate),
  strictWith(
    { check: checkField('timestamp'), sql: extractSql },
    'extract',
    [['text', 'timestamp'], 'numeric'],
    extractTimestamp,
  ),
  strictWith(
    { check: checkField('zoned'), sql: extractSql, immutable: false },
    'extract',
    [['text', 'timestamptz'], 'numeric'],
    extractTimestamp,
  ),
  strictWith({ check: checkField('timestamp') }, 'date_part', [['text', 'timestamp'], 'float8'], (field, at) =>
    asFloat(extractTimestamp(field, at)),
  ),
  strictWith({ check: checkTrunc }, 'date_trunc', [['text', 'timestamp'], 'timestamp'], truncTimestamp),
  // Stable before 16.
  strictWith(
    { check: checkTruncZone, immutable: false },
    'date_trunc',
    [['text', 'timestamptz', 'text'], 'timestamptz'],
    truncTimestamp,
  ),
  strictWith(
    { check: checkZone(0), doc: "x AT TIME ZONE 'UTC'" },
    'timezone',
    [['text', 'timestamp'], 'timestamptz'],
    (_, at) => dt.checkMicros(at),
  ),
  strictWith(
    { check: checkZone(0), doc: "x AT TIME ZONE 'UTC'" },
    'timezone',
    [['text', 'timestamptz'], 'timestamp'],
    (_, at) => dt.checkMicros(at),
  ),
  strictWith({ check: checkFormat, immutable: false }, 'to_char', [['timestamp', 'text'], 'text'], toChar),
  strict('make_date', ['int4', 'int4', 'int4'], 'date', makeDate),
  strict('isfinite', ['date'], 'bool', (days) => Number.isFinite(days)),
  strict('isfinite', ['timestamp'], 'bool', (at) => !dt.isForever(at)),
  strict('isfinite', ['timestamptz'], 'bool', (at) => !dt.isForever(at)),
];
