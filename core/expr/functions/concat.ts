import { type Call, type Entry, type Evaluate, special } from '../table.ts';
import { codecOf } from '../values/codec.ts';

const printers = (call: Call): ((value: never) => string)[] =>
  call.args.map((arg) => codecOf(arg.type.oid).encode as (value: never) => string);
const sql = (name: string) => (args: readonly string[]) => `pg_catalog.${name}(${args.join(', ')})`;

/** NULLs are skipped; values print as their type's output does (a boolean as t or f). */
export const concats: readonly Entry[] = [
  special('concat', {
    immutable: false,
    sql: sql('concat'),
    build: (args, call) => {
      const print = printers(call);
      return (row) => {
        let out = '';
        args.forEach((arg, i) => {
          const value = arg(row);
          if (value !== null) out += (print[i] as (value: unknown) => string)(value);
        });
        return out;
      };
    },
  }),
  special('concat_ws', {
    immutable: false,
    sql: sql('concat_ws'),
    build: ([first, ...rest], call) => {
      const print = printers(call).slice(1);
      return (row) => {
        const separator = (first as Evaluate)(row) as string | null;
        const values = rest.map((arg) => arg(row));
        if (separator === null) return null;
        return values
          .flatMap((value, i) => (value === null ? [] : [(print[i] as (value: unknown) => string)(value)]))
          .join(separator);
      };
    },
  }),
];
