import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notNullApart } from '../../../../../plugins/sink-postgres/schema/not-null.ts';

const table = (sql: string) =>
  notNullApart({ type: 'TABLE', schema: 'public', name: 'c', owner: null, section: 'pre-data', sql }).sql;

test('a NOT NULL of an inherited column becomes a statement of its own', () => {
  assert.equal(
    table(
      'CREATE TABLE public.c (\n    own integer,\n    NOT NULL second\n)\nINHERITS (public.p);\n\nALTER TABLE public.c OWNER TO o;',
    ),
    'CREATE TABLE public.c (\n    own integer)\nINHERITS (public.p);\nALTER TABLE ONLY public.c ALTER COLUMN second SET NOT NULL;\n\nALTER TABLE public.c OWNER TO o;',
  );
  assert.equal(
    table(
      `CREATE UNLOGGED TABLE "S".c (\n    CONSTRAINT "n n" NOT NULL "a b" NO INHERIT,\n    NOT NULL b,\n    own text DEFAULT '(,NOT NULL x'::text NOT NULL\n)\nINHERITS (p);`,
    ).replaceAll(/\s+/g, ' '),
    `CREATE UNLOGGED TABLE "S".c ( own text DEFAULT '(,NOT NULL x'::text NOT NULL ) INHERITS (p); ALTER TABLE ONLY "S".c ALTER COLUMN "a b" SET NOT NULL; ALTER TABLE ONLY "S".c ALTER COLUMN b SET NOT NULL;`,
  );
});

test('a NOT NULL of a column itself, and of a CHECK, stays', () => {
  const sql =
    'CREATE TABLE public.c (\n    a integer NOT NULL,\n    b integer CONSTRAINT n NOT NULL,\n    CONSTRAINT k CHECK (NOT NULL::boolean)\n);';
  assert.equal(table(sql), sql);
  const view = { type: 'VIEW', schema: 'public', name: 'v', owner: null, section: 'pre-data', sql } as const;
  assert.equal(notNullApart(view), view);
});
