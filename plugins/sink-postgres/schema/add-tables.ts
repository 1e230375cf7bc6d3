import type pg from 'pg';
import type { ParentPlan, TablePlan } from '../../../core/api/plan.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { SinkPreparation } from '../../../core/api/snapshot.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { bulkError } from '../errors.ts';
import { type Owner, readTables } from '../state.ts';
import { alterTables } from './alter.ts';
import { fitted } from './dump.ts';
import { noteLeftOut, tellLeftOut } from './left-out.ts';
import { noteMade } from './made.ts';
import { takeOn } from './made-parts.ts';
import type { PrepareInput } from './prepare.ts';
import { makeOne } from './restore.ts';
import { readTargetRoles, refuseLeftOut, rolesHere } from './roles.ts';
import { objectsOfTables } from './table-objects.ts';
import { resolveTables } from './tree.ts';

/**
 * Tables that were added to the file, or created on the source, after the schema was created: made as on the source
 * now, then renamed and altered according to the plan. Types and functions that they need must exist; if one was
 * created since, the server's error names it. A partition of an existing table stays separate until it has its rows: it
 * is attached later (TreeSink), so that no reader of the target sees it incomplete, and with indexes of its own, which
 * are then attached to the parent's.
 */
export async function addMissingTables(input: PrepareInput, preparation: SinkPreparation): Promise<void> {
  const { sessions, owner, options, context } = input;
  const { log } = context;
  const missing = await sessions.query((client) => findMissing(client, owner, preparation));
  const { plans, parents } = missing;
  if (plans.length > 0) {
    const dump = await preparation.dumpSchema();
    const tables = [...plans, ...parents].map(({ source }) => source);
    const found = objectsOfTables(dump.objects, tables);
    await sessions.transaction(async (client) => {
      const roles = await readTargetRoles(client);
      const here = rolesHere(roles, options);
      const { objects, left } = fitted(found, here, roles.version);
      refuseLeftOut(
        left.map(({ role }) => role),
        options,
        context.name,
      );
      await noteLeftOut(client, owner, tellLeftOut(left, log));
      const standing = await standingNames(client, owner);
      await client.query(`SET LOCAL search_path = ''`);
      for (const schema of new Set(tables.map((table) => table.schema)))
        await client.query(`CREATE SCHEMA IF NOT EXISTS ${quoteIdent(schema)}`);
      await forgetGone(client, owner, missing.gone);
      for (const [ordinal, object] of objects.entries()) {
        const { type } = object;
        const sql = inheritingFrom(object.sql, standing);
        const onError = options.on_restore_error;
        const name = `${object.schema}.${object.name}`;
        await noteLeftOut(client, owner, await makeOne(client, { ordinal, type, name, sql }, { log, onError }));
      }
      await noteMade(
        client,
        owner,
        objects.map(({ type, schema, name }) => ({ type, name: `${schema}.${name}` })),
      );
      const made = await resolveTables(client, tables);
      const entries = (of: readonly Pick<ParentPlan, 'source'>[], phase: 'new' | 'parent') =>
        of.map(({ source }) => ({ source: relationName(source), relid: relidOf(source, made), phase }));
      await takeOn(client, owner, [...entries(plans, 'new'), ...entries(parents, 'parent')]);
    });
    log.log('info', 'tables-created', `${plans.length} added tables are created in the target`, { by: dump.by });
  }
  await alterTables(sessions, owner, preparation, { dependents: options.dependents, log });
}

interface Missing {
  readonly plans: readonly TablePlan[];
  /** Partitioned tables above the tables. */
  readonly parents: readonly ParentPlan[];
  /** Tables in the state that were dropped in the target since, by name on the source. */
  readonly gone: readonly string[];
}

async function findMissing(client: pg.Client, owner: Owner, preparation: SinkPreparation): Promise<Missing> {
  const known = await readTables(client, owner);
  const { parents = [] } = preparation;
  const there = await resolveTables(
    client,
    [...preparation.plans, ...parents].map((plan) => plan.output),
  );
  const { rows } = await client.query<{ oid: string }>('SELECT oid FROM pg_class WHERE oid = ANY($1::oid[])', [
    [...known.values()].map(({ relid }) => relid),
  ]);
  const alive = new Set(rows.map(({ oid }) => Number(oid)));
  const isMissing = ({ source, output }: Pick<ParentPlan, 'source' | 'output'>): boolean => {
    const before = known.get(relationName(source));
    // A table that exists under another name is about to be renamed.
    return !there.has(relationName(output)) && (before === undefined || !alive.has(before.relid));
  };
  const plans = preparation.plans.filter(isMissing);
  const above = parents.filter(isMissing);
  const names = [...plans, ...above].map(({ source }) => relationName(source));
  return { plans, parents: above, gone: names.filter((name) => known.has(name)) };
}

export async function forgetGone(client: pg.Client, owner: Owner, sources: readonly string[]): Promise<void> {
  const key = [owner.pipeline, owner.sink, sources];
  for (const table of ['definition', 'made_part'])
    await client.query(
      `DELETE FROM pgsluice.${table} WHERE pipeline = $1 AND sink = $2 AND relid IN (
         SELECT relid FROM pgsluice.bulk_table WHERE pipeline = $1 AND sink = $2 AND source = ANY($3::text[]))`,
      key,
    );
  for (const table of ['chunk', 'bulk_table'])
    await client.query(
      `DELETE FROM pgsluice.${table} WHERE pipeline = $1 AND sink = $2 AND source = ANY($3::text[])`,
      key,
    );
}

/** Existing tables, by name on the source, as SQL. */
async function standingNames(client: pg.Client, owner: Owner): Promise<ReadonlyMap<string, string>> {
  const { rows } = await client.query<{ source: string; sql: string }>(
    `SELECT t.source, format('%I.%I', n.nspname, c.relname) AS sql FROM pgsluice.bulk_table t
     JOIN pg_class c ON c.oid = t.relid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE t.pipeline = $1 AND t.sink = $2`,
    [owner.pipeline, owner.sink],
  );
  return new Map(rows.map(({ source, sql }) => [source, sql]));
}

/** A parent may have another name in the target. */
function inheritingFrom(sql: string, standing: ReadonlyMap<string, string>): string {
  return sql.replace(/^INHERITS \((.*)\)/m, (whole, list: string) => {
    const names = [...list.matchAll(/("(?:[^"]|"")+"|[^",.\s]+)\.("(?:[^"]|"")+"|[^",.\s]+)/g)];
    const parents = names.map(([name, schema, table]) => standing.get(`${bare(schema!)}.${bare(table!)}`) ?? name);
    return parents.length === 0 ? whole : `INHERITS (${parents.join(', ')})`;
  });
}

function bare(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
}

function relidOf(
  source: { readonly schema: string; readonly name: string },
  made: ReadonlyMap<string, number>,
): number {
  const table = relationName(source);
  const relid = made.get(table);
  if (relid === undefined)
    throw bulkError('PGS3006', `the dump of the source has no table ${table}`, { where: { table } });
  return relid;
}
