import type { Expr } from '../expr.ts';
import { type Call, type Entry, type Evaluate, collateFirst, special } from '../table.ts';
import { nameOf } from '../types.ts';
import { ArrayValue, listOf } from '../values/array.ts';
import { codecOf, type Value } from '../values/codec.ts';

/** AND and OR stop at the first argument that decides, from left to right, as the server's executor does. */
function junction(name: 'and' | 'or', decisive: boolean): Entry {
  return special(name, {
    sql: (args) => `(${args.join(` ${name.toUpperCase()} `)})`,
    build: (args) => {
      const [a, b] = args as [Evaluate, Evaluate];
      if (args.length === 2) {
        return (row) => {
          const x = a(row);
          if (x === decisive) return decisive;
          const y = b(row);
          return y === decisive ? decisive : x === null || y === null ? null : !decisive;
        };
      }
      return (row) => {
        let result: boolean | null = !decisive;
        for (const arg of args) {
          const value = arg(row);
          if (value === decisive) return decisive;
          if (value === null) result = null;
        }
        return result;
      };
    },
  });
}

function test(name: string, of: (value: Value | null) => boolean): Entry {
  return special(name, {
    sql: ([a]) => `(${a} ${name.toUpperCase()})`,
    build: ([a]) => {
      const arg = a as Evaluate;
      return (row) => of(arg(row));
    },
  });
}

/**
 * A composite value is also NULL where all of its fields are, and NOT NULL only where none is (manual: "Comparison
 * Functions and Operators"). A composite value is the text of record_out, where a NULL field is empty and unquoted.
 */
function nullTest(name: 'is null' | 'is not null'): Entry {
  const wanted = name === 'is null';
  const plain = test(name, (value) => (value === null) === wanted);
  const nulls = wanted ? allNull : noneNull;
  return {
    ...plain,
    build: (args, call) => {
      if (call.args[0]?.type.kind !== 'composite') return plain.build(args, call);
      const arg = args[0] as Evaluate;
      return (row) => {
        const value = arg(row);
        return value === null ? wanted : nulls(value as string);
      };
    },
  };
}

const allNull = (record: string): boolean => /^\(,*\)$/.test(record);
const noneNull = (record: string): boolean =>
  !/^\(\)$|[(,](?=[,)])/.test(record.replace(/"(?:[^"\\]|\\.|"")*"/gs, '""'));

const typeName = (expr: Expr): string => nameOf(expr.type.oid) ?? '';
const collatedArgs = (args: readonly string[], call: Call): readonly string[] =>
  collateFirst(args, call.args.map(typeName));

function distinct(name: string, sql: string, whenDistinct: boolean): Entry {
  return special(name, {
    sql: (args, call) => `(${collatedArgs(args, call).join(` ${sql} `)})`,
    build: ([a, b], call) => {
      const { equal } = codecOf((call.args[0] as Expr).type.oid);
      return (row) => {
        const x = (a as Evaluate)(row);
        const y = (b as Evaluate)(row);
        const same = x === null || y === null ? x === y : equal(x, y);
        return same !== whenDistinct;
      };
    },
  });
}

/** = and <> of types that are not decoded and whose equality is equality of their text (enum, macaddr and others). */
function same(name: '=' | '<>'): Entry {
  return special(`same ${name}`, {
    name,
    strict: true,
    sql: ([a, b]) => `(${a} OPERATOR(pg_catalog.${name}) ${b})`,
    build: ([a, b]) => {
      const wanted = name === '=';
      return (row) => {
        const x = (a as Evaluate)(row);
        const y = (b as Evaluate)(row);
        return x === null || y === null ? null : (x === y) === wanted;
      };
    },
  });
}

const caseWhen = special('case', {
  sql: (args) => {
    const whens: string[] = [];
    for (let i = 0; i + 1 < args.length; i += 2) whens.push(`WHEN ${args[i]} THEN ${args[i + 1]}`);
    return `(CASE ${whens.join(' ')} ELSE ${args.at(-1)} END)`;
  },
  build: (args) => (row) => {
    for (let i = 0; i + 1 < args.length; i += 2) {
      if ((args[i] as Evaluate)(row) === true) return (args[i + 1] as Evaluate)(row);
    }
    return (args.at(-1) as Evaluate)(row);
  },
});

const coalesce = special('coalesce', {
  sql: (args) => `COALESCE(${args.join(', ')})`,
  build: (args) => (row) => {
    for (const arg of args) {
      const value = arg(row);
      if (value !== null) return value;
    }
    return null;
  },
});

/** NULLs are skipped; the result is NULL only if all arguments are. */
function extreme(name: 'greatest' | 'least', wanted: 1 | -1): Entry {
  return special(name, {
    sql: (args, call) => `${name.toUpperCase()}(${collatedArgs(args, call).join(', ')})`,
    build: (args, call) => {
      const compare = codecOf(call.type.oid).compare as (a: Value, b: Value) => number;
      return (row) => {
        let best: Value | null = null;
        for (const arg of args) {
          const value = arg(row);
          if (value !== null && (best === null || compare(value, best) * wanted > 0)) best = value;
        }
        return best;
      };
    },
  });
}

const tests: Readonly<Record<string, (order: number) => boolean>> = {
  '<': (order) => order < 0,
  '<=': (order) => order <= 0,
  '>': (order) => order > 0,
  '>=': (order) => order >= 0,
};

/** What `scalar operator element` gives for two values of a type. */
function comparer(operator: string, type: number): (a: Value, b: Value) => boolean {
  const { equal, compare } = codecOf(type);
  if (operator === '=') return equal;
  if (operator === '<>') return (a, b) => !equal(a, b);
  const passes = tests[operator] as (order: number) => boolean;
  return (a, b) => passes((compare as (a: Value, b: Value) => number)(a, b));
}

/** `x = ANY (array)`, also for IN over constants. An empty array decides before a NULL is looked at. */
function quantified(quantifier: 'any' | 'all', operator: string): Entry {
  const decisive = quantifier === 'any';
  return special(`${operator} ${quantifier}`, {
    sql: (args, call) => {
      const [a, b] = collatedArgs(args, call);
      return `(${a} OPERATOR(pg_catalog.${operator}) ${quantifier.toUpperCase()} (${b}))`;
    },
    build: ([a, b], call) => {
      const [left, right] = call.args as [Expr, Expr];
      const compare = comparer(operator, left.type.oid);
      const fast = decisive && operator === '=' ? constantSet(right) : null;
      if (fast !== null) return (row) => fast((a as Evaluate)(row));
      return (row) => {
        const x = (a as Evaluate)(row);
        const list = (b as Evaluate)(row) as ArrayValue | null;
        if (list === null) return null;
        if (list.items.length === 0) return !decisive;
        if (x === null) return null;
        let unknown = false;
        for (const item of list.items) {
          if (item === null) unknown = true;
          else if (compare(x, item) === decisive) return decisive;
        }
        return unknown ? null : !decisive;
      };
    },
  });
}

const hashable = new Set([
  'bool',
  'name',
  'int8',
  'int2',
  'int4',
  'text',
  'oid',
  'varchar',
  'date',
  'timestamp',
  'timestamptz',
  'uuid',
]);
/** A list of constants of a type whose equality is JavaScript's becomes a Set. */
function constantSet(list: Expr): ((value: Value | null) => boolean | null) | null {
  const name = nameOf(list.type.oid);
  if (list.op !== 'const' || list.text === null || name === null || !hashable.has(name.slice(0, -2))) return null;
  const { items } = codecOf(list.type.oid).decode(list.text) as ArrayValue;
  if (items.length === 0) return () => false;
  const members = new Set(items);
  const unknown = members.delete(null);
  return (value) => (value === null ? null : members.has(value) ? true : unknown ? null : false);
}

const array = special('array', {
  sql: (args) => `ARRAY[${args.join(', ')}]`,
  build: (args) => (row) => listOf(args.map((arg) => arg(row))),
});

/** `a[i]` of a one-dimensional array: NULL outside of the bounds. */
const subscript = special('subscript', {
  name: '[]',
  sql: ([a, i]) => `(${a})[${i}]`,
  build: ([a, i]) => {
    return (row) => {
      const list = (a as Evaluate)(row) as ArrayValue | null;
      // The server does not look at the subscript of an array that is NULL.
      if (list === null) return null;
      const at = (i as Evaluate)(row) as number | null;
      if (at === null || list.lengths.length !== 1) return null;
      return list.items[at - (list.lower[0] as number)] ?? null;
    };
  },
});

const compareNames = ['=', '<>', '<', '<=', '>', '>='] as const;

export const logic: readonly Entry[] = [
  junction('and', false),
  junction('or', true),
  special('not', {
    strict: true,
    sql: ([a]) => `(NOT ${a})`,
    build: ([a]) => {
      const arg = a as Evaluate;
      return (row) => {
        const value = arg(row);
        return value === null ? null : !value;
      };
    },
  }),
  nullTest('is null'),
  nullTest('is not null'),
  test('is true', (value) => value === true),
  test('is not true', (value) => value !== true),
  test('is false', (value) => value === false),
  test('is not false', (value) => value !== false),
  test('is unknown', (value) => value === null),
  test('is not unknown', (value) => value !== null),
  distinct('is distinct from', 'IS DISTINCT FROM', true),
  distinct('is not distinct from', 'IS NOT DISTINCT FROM', false),
  same('='),
  same('<>'),
  caseWhen,
  coalesce,
  extreme('greatest', 1),
  extreme('least', -1),
  ...compareNames.flatMap((name) => [quantified('any', name), quantified('all', name)]),
  array,
  subscript,
];
