import type { DatabaseName } from '../databases.ts';
import { debeziumOf, pairs } from '../pairs.ts';

/** A run of Debezium that was kept: its settings beside those that all have. */
interface Recording {
  readonly settings: Readonly<Record<string, string>>;
  readonly release: string;
  readonly database?: DatabaseName;
  readonly withNan?: boolean;
}

const current = '3.7.0.Final';
const words = {
  'decimal.handling.mode': 'string',
  'interval.handling.mode': 'string',
  'hstore.handling.mode': 'json',
  'binary.handling.mode': 'base64',
};
const numbers = {
  'decimal.handling.mode': 'double',
  'time.precision.mode': 'connect',
  'binary.handling.mode': 'hex',
  'hstore.handling.mode': 'map',
};
const string = { ...words, 'time.precision.mode': 'isostring' };
const mix1 = {
  ...words,
  'hstore.handling.mode': 'map',
  'binary.handling.mode': 'base64-url-safe',
  'time.precision.mode': 'connect',
};
const mix2 = {
  'decimal.handling.mode': 'double',
  'binary.handling.mode': 'base64',
  'time.precision.mode': 'microseconds',
  'interval.handling.mode': 'string',
  'provide.transaction.metadata': 'true',
};
const mix3 = { 'hstore.handling.mode': 'map', 'binary.handling.mode': 'hex', 'time.precision.mode': 'isostring' };
const nano = { 'time.precision.mode': 'nanoseconds', 'event.processing.failure.handling.mode': 'warn' };

/** A record that cannot be made is left out. */
const lenient = { 'event.processing.failure.handling.mode': 'warn' };

export const recordings: Readonly<Record<string, Recording>> = {
  default: { settings: {}, release: current },
  string: { settings: string, release: current, withNan: true },
  double: { settings: numbers, release: current, withNan: true },
  micro: {
    settings: { 'time.precision.mode': 'microseconds', 'binary.handling.mode': 'base64-url-safe' },
    release: current,
  },
  nano: { settings: nano, release: current },
  atm: { settings: { 'time.precision.mode': 'adaptive_time_microseconds' }, release: current },
  txmeta: { settings: { 'provide.transaction.metadata': 'true' }, release: current },
  mix1: { settings: mix1, release: current, withNan: true },
  mix2: { settings: mix2, release: current, withNan: true },
  mix3: { settings: mix3, release: current },
  // Releases before 3.1 have no `isostring`.
  default_27: { settings: {}, release: '2.7.4.Final', database: 'older' },
  numbers_30: {
    settings: { ...numbers, 'provide.transaction.metadata': 'true' },
    release: '3.0.8.Final',
    database: 'older',
    withNan: true,
  },
  words_36: { settings: words, release: '3.6.1.Final', database: 'older', withNan: true },
  more: { settings: {}, release: current, database: 'more' },
  more_string: { settings: string, release: current, database: 'more' },
  more_double: { settings: numbers, release: current, database: 'more' },
  more_mix2: { settings: mix2, release: current, database: 'more' },
  more_27: { settings: {}, release: '2.7.4.Final', database: 'more' },
  more_36: { settings: {}, release: '3.6.1.Final', database: 'more' },
  far: { settings: {}, release: current, database: 'far' },
  odd: { settings: lenient, release: current, database: 'odd' },
  structured: { settings: { 'time.precision.mode': 'structured' }, release: current },
  far_structured: { settings: { 'time.precision.mode': 'structured' }, release: current, database: 'far' },
  far_nano: { settings: nano, release: current, database: 'far' },
  ...Object.fromEntries(
    pairs.map(({ name, release, options }) => [
      name,
      { settings: debeziumOf(options), release, database: release === current ? 'zoo' : 'older' } as Recording,
    ]),
  ),
};
