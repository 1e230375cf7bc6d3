/** Modes of values beside each other, so that any two meet in one of these; not all are kept as recordings. */
export interface Pair {
  readonly name: string;
  readonly release: string;
  readonly options: Readonly<Record<string, string>>;
}

const debezium: Readonly<Record<string, string>> = {
  decimal: 'decimal.handling.mode',
  time: 'time.precision.mode',
  binary: 'binary.handling.mode',
  interval: 'interval.handling.mode',
  hstore: 'hstore.handling.mode',
  transaction_metadata: 'provide.transaction.metadata',
};

/** The settings of Debezium for options of the sink. */
export function debeziumOf(options: Readonly<Record<string, string>>): Readonly<Record<string, string>> {
  const settings = Object.fromEntries(Object.entries(options).map(([name, value]) => [debezium[name]!, value]));
  // Of a delete with a moment that nanoseconds do not hold Debezium makes no record, and by default ends.
  return options['time'] === 'nanoseconds'
    ? { ...settings, 'event.processing.failure.handling.mode': 'warn' }
    : settings;
}

export const pairs: readonly Pair[] = [
  {
    name: 'pair1',
    release: '3.0.8.Final',
    options: {
      decimal: 'string',
      time: 'adaptive_time_microseconds',
      binary: 'hex',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair2',
    release: '3.6.1.Final',
    options: {
      decimal: 'precise',
      time: 'nanoseconds',
      binary: 'base64-url-safe',
      interval: 'string',
      hstore: 'json',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair3',
    release: '3.7.0.Final',
    options: {
      decimal: 'double',
      time: 'connect',
      binary: 'bytes',
      interval: 'numeric',
      hstore: 'map',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair4',
    release: '2.7.4.Final',
    options: {
      decimal: 'double',
      time: 'adaptive',
      binary: 'base64',
      interval: 'string',
      hstore: 'map',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair5',
    release: '3.7.0.Final',
    options: {
      decimal: 'precise',
      time: 'structured',
      binary: 'hex',
      interval: 'string',
      hstore: 'map',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair6',
    release: '3.6.1.Final',
    options: {
      decimal: 'string',
      time: 'microseconds',
      binary: 'base64',
      interval: 'numeric',
      hstore: 'map',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair7',
    release: '3.6.1.Final',
    options: {
      decimal: 'double',
      time: 'isostring',
      binary: 'bytes',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair8',
    release: '2.7.4.Final',
    options: {
      decimal: 'string',
      time: 'adaptive',
      binary: 'base64-url-safe',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair9',
    release: '3.0.8.Final',
    options: {
      decimal: 'string',
      time: 'connect',
      binary: 'base64-url-safe',
      interval: 'string',
      hstore: 'json',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair10',
    release: '3.0.8.Final',
    options: {
      decimal: 'precise',
      time: 'adaptive',
      binary: 'bytes',
      interval: 'numeric',
      hstore: 'map',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair11',
    release: '3.7.0.Final',
    options: {
      decimal: 'string',
      time: 'nanoseconds',
      binary: 'base64',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair12',
    release: '3.7.0.Final',
    options: {
      decimal: 'precise',
      time: 'isostring',
      binary: 'base64-url-safe',
      interval: 'string',
      hstore: 'map',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair13',
    release: '2.7.4.Final',
    options: {
      decimal: 'precise',
      time: 'adaptive_time_microseconds',
      binary: 'bytes',
      interval: 'string',
      hstore: 'map',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair14',
    release: '3.7.0.Final',
    options: {
      decimal: 'double',
      time: 'microseconds',
      binary: 'hex',
      interval: 'string',
      hstore: 'json',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair15',
    release: '3.7.0.Final',
    options: {
      decimal: 'string',
      time: 'structured',
      binary: 'bytes',
      interval: 'string',
      hstore: 'json',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair16',
    release: '3.6.1.Final',
    options: {
      decimal: 'precise',
      time: 'connect',
      binary: 'base64',
      interval: 'numeric',
      hstore: 'map',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair17',
    release: '3.7.0.Final',
    options: {
      decimal: 'double',
      time: 'adaptive_time_microseconds',
      binary: 'base64-url-safe',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair18',
    release: '3.7.0.Final',
    options: {
      decimal: 'precise',
      time: 'microseconds',
      binary: 'bytes',
      interval: 'string',
      hstore: 'json',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair19',
    release: '3.7.0.Final',
    options: {
      decimal: 'double',
      time: 'structured',
      binary: 'base64',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair20',
    release: '3.6.1.Final',
    options: {
      decimal: 'double',
      time: 'nanoseconds',
      binary: 'hex',
      interval: 'numeric',
      hstore: 'map',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair21',
    release: '2.7.4.Final',
    options: {
      decimal: 'precise',
      time: 'connect',
      binary: 'hex',
      interval: 'string',
      hstore: 'map',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair22',
    release: '3.0.8.Final',
    options: {
      decimal: 'double',
      time: 'adaptive_time_microseconds',
      binary: 'base64',
      interval: 'string',
      hstore: 'json',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair23',
    release: '3.6.1.Final',
    options: {
      decimal: 'double',
      time: 'adaptive',
      binary: 'hex',
      interval: 'string',
      hstore: 'json',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair24',
    release: '3.6.1.Final',
    options: {
      decimal: 'string',
      time: 'isostring',
      binary: 'hex',
      interval: 'numeric',
      hstore: 'map',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair25',
    release: '3.6.1.Final',
    options: {
      decimal: 'string',
      time: 'nanoseconds',
      binary: 'bytes',
      interval: 'numeric',
      hstore: 'map',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair26',
    release: '3.7.0.Final',
    options: {
      decimal: 'precise',
      time: 'structured',
      binary: 'base64-url-safe',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'false',
    },
  },
  {
    name: 'pair27',
    release: '3.6.1.Final',
    options: {
      decimal: 'double',
      time: 'microseconds',
      binary: 'base64-url-safe',
      interval: 'string',
      hstore: 'map',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair28',
    release: '3.7.0.Final',
    options: {
      decimal: 'precise',
      time: 'isostring',
      binary: 'base64',
      interval: 'string',
      hstore: 'map',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair29',
    release: '3.6.1.Final',
    options: {
      decimal: 'string',
      time: 'adaptive_time_microseconds',
      binary: 'bytes',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'true',
    },
  },
  {
    name: 'pair30',
    release: '3.7.0.Final',
    options: {
      decimal: 'double',
      time: 'adaptive',
      binary: 'base64-url-safe',
      interval: 'numeric',
      hstore: 'json',
      transaction_metadata: 'false',
    },
  },
];
