import type { Random } from '../support/chaos/random.ts';
import { ident, qualified } from './print.ts';
import type { Table } from './script.ts';

/** A statement that makes or changes an object of the source; it works on the target as well. */
export function lateObject(random: Random, table: Table): string {
  const name = qualified(table);
  const column = table.columns.find(({ dropped, generated }) => dropped !== true && generated === undefined);
  const on = column === undefined ? null : ident(column.name);
  const statements = [
    `CREATE VIEW public.late AS SELECT * FROM ${name}`,
    `CREATE FUNCTION public.late() RETURNS int LANGUAGE sql AS 'SELECT 1'`,
    `CREATE SEQUENCE public.late INCREMENT BY 3`,
    `CREATE TYPE public.late AS ENUM ('a', 'b')`,
    `CREATE DOMAIN public.late AS int CHECK (value > 0)`,
    `CREATE SCHEMA late`,
    `GRANT SELECT ON ${name} TO PUBLIC`,
    `COMMENT ON TABLE ${name} IS 'late'`,
    `ALTER TABLE ${name} ADD CONSTRAINT late CHECK (1 + 1 = 2)`,
    `ALTER TABLE ${name} ADD CONSTRAINT late CHECK (2 + 2 = 4) NOT VALID`,
    `CREATE RULE late AS ON DELETE TO ${name} WHERE false DO ALSO SELECT 1`,
    `ALTER TABLE ${name} ENABLE ROW LEVEL SECURITY`,
    `CREATE POLICY late ON ${name} USING (true)`,
    `CREATE FUNCTION public.late() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER late AFTER INSERT ON ${name} FOR EACH STATEMENT EXECUTE FUNCTION public.late()`,
    ...(on === null
      ? []
      : [
          `CREATE INDEX late ON ${name} ((${on} IS NULL))`,
          `CREATE STATISTICS public.late ON (${on} IS NULL), (${on} IS NOT NULL) FROM ${name}`,
          `ALTER TABLE ${name} ALTER COLUMN ${on} SET STATISTICS 77`,
          `GRANT UPDATE (${on}) ON ${name} TO PUBLIC`,
          `COMMENT ON COLUMN ${name}.${on} IS 'late'`,
        ]),
    ...(table.split === undefined ? [`ALTER TABLE ${name} SET (fillfactor = 77)`] : []),
  ];
  return random.pick(statements);
}
