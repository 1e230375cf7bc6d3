import type { Setting } from './replay.ts';

export const settings: readonly Setting[] = [
  { name: 'default', options: {}, withNan: false },
  {
    name: 'string',
    options: { decimal: 'string', interval: 'string', binary: 'base64', time: 'isostring' },
    withNan: true,
  },
  { name: 'double', options: { decimal: 'double', time: 'connect', binary: 'hex', hstore: 'map' }, withNan: true },
  { name: 'micro', options: { time: 'microseconds', binary: 'base64-url-safe' }, withNan: false },
  { name: 'nano', options: { time: 'nanoseconds' }, withNan: false },
  { name: 'atm', options: { time: 'adaptive_time_microseconds' }, withNan: false },
  { name: 'txmeta', options: { transaction_metadata: 'true' }, withNan: false },
  // Recorded through JsonConverter, too: the envelopes that CloudEventsConverter was given.
  { name: 'cloud', options: {}, withNan: false },
];
