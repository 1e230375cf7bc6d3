import { type Entry, strict } from '../table.ts';
import type { TypeName } from '../types.ts';
import { codecs } from '../values/codec.ts';
import type { Codec } from '../values/codec.ts';

/** Types with an order of their own; varchar compares as text. */
const ordered = [
  'bool',
  'bytea',
  'name',
  'int2',
  'int4',
  'int8',
  'oid',
  'float4',
  'float8',
  'numeric',
  'text',
  'bpchar',
  'date',
  'timestamp',
  'timestamptz',
  'interval',
  'uuid',
] as const;

function operators(type: TypeName): Entry[] {
  const codec = codecs[type] as unknown as Codec<never>;
  const { equal } = codec;
  const args = [type, type] as const;
  const entries = [
    strict('=', args, 'bool', (a, b) => equal(a as never, b as never)),
    strict('<>', args, 'bool', (a, b) => !equal(a as never, b as never)),
  ];
  const { compare } = codec;
  if (compare === null) return entries;
  return [
    ...entries,
    strict('<', args, 'bool', (a, b) => compare(a as never, b as never) < 0),
    strict('<=', args, 'bool', (a, b) => compare(a as never, b as never) <= 0),
    strict('>', args, 'bool', (a, b) => compare(a as never, b as never) > 0),
    strict('>=', args, 'bool', (a, b) => compare(a as never, b as never) >= 0),
  ];
}

export const comparison: readonly Entry[] = [...ordered.flatMap(operators), ...operators('jsonb')];
