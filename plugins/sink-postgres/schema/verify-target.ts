import { firstUserOid, oids } from '../../../core/postgres/oids.ts';
import type pg from 'pg';
import type { TablePlan } from '../../../core/api/plan.ts';
import { type Column, type Oid, relationName } from '../../../core/postgres/relation.ts';
import { readColumns } from '../../../core/postgres/columns.ts';
import { bulkError } from '../errors.ts';
import { resolveTables } from './tree.ts';

/** A table that accepts its plan's rows. */
export interface VerifiedTarget {
  readonly relid: number;
  /** Types of the columns that the plan fills, in the order of its output. */
  readonly types: readonly Oid[];
}

/**
 * Finds each plan's table in the target and compares names and, for binary COPY, types: bytes of one type read as
 * another give a wrong value without an error; types do not matter if nothing is copied (`copies` false). Throws
 * PGS3006. Returns the tables in the order of the plans.
 */
export async function verifyTargets(
  client: pg.Client,
  plans: readonly TablePlan[],
  copies = true,
): Promise<readonly VerifiedTarget[]> {
  const found = await resolveTables(
    client,
    plans.map((plan) => plan.output),
  );
  const relids = plans.map((plan) => {
    const relid = found.get(relationName(plan.output));
    if (relid === undefined) throw wrong(plan, 'there is no such table in the target');
    return relid;
  });
  const shapes = await readColumns(client, relids);
  const defaults = await columnsWithDefault(client, relids);
  return plans.map((plan, i) => {
    const binary = copies && plan.route.kind === 'raw' && plan.route.format === 'binary';
    const relid = relids[i]!;
    const types = compare(plan, binary, {
      columns: shapes.get(relid)!.columns,
      defaults: defaults.get(relid) ?? new Set(),
    });
    return { relid, types };
  });
}

async function columnsWithDefault(
  client: pg.Client,
  relids: readonly number[],
): Promise<ReadonlyMap<number, ReadonlySet<string>>> {
  const { rows } = await client.query<{ relid: string; names: string }>(
    `SELECT attrelid AS relid, json_agg(attname)::text AS names FROM pg_attribute
     WHERE attrelid = ANY($1::oid[]) AND attnum > 0 AND (atthasdef OR attidentity <> '') GROUP BY attrelid`,
    [relids],
  );
  return new Map(rows.map((row) => [Number(row.relid), new Set(JSON.parse(row.names) as string[])]));
}

function compare(
  plan: TablePlan,
  binary: boolean,
  { columns, defaults }: { readonly columns: readonly Column[]; readonly defaults: ReadonlySet<string> },
): Oid[] {
  const types: Oid[] = [];
  const target = new Map(columns.map((column) => [column.name, column]));
  for (const column of plan.output.columns) {
    const there = target.get(column.name);
    if (there === undefined) throw wrong(plan, `the target's table has no column ${column.name}`);
    if (there.generated !== 'never') throw wrong(plan, `column ${column.name} of the target is generated`);
    if (binary && !sameOnTheWire(column, there)) {
      throw wrong(plan, `column ${column.name} is ${there.typeName} in the target, ${column.typeName} in the plan`);
    }
    types.push(there.type);
    target.delete(column.name);
  }
  for (const left of target.values()) {
    if (left.notNull && left.generated === 'never' && !defaults.has(left.name)) {
      throw wrong(
        plan,
        `column ${left.name} of the target is NOT NULL without a default, and the plan has no value for it`,
      );
    }
  }
  return types;
}

/** An enum is sent as its label, which text and any enum accept. */
function sameOnTheWire(planned: Column, there: Column): boolean {
  if (planned.baseType < firstUserOid) return planned.baseType === there.baseType;
  return there.baseType >= firstUserOid || there.baseType === oids.text;
}

function wrong(plan: TablePlan, message: string): Error {
  return bulkError('PGS3006', `${relationName(plan.output)}: ${message}`, {
    where: { table: relationName(plan.output) },
  });
}

/**
 * Those of these tables that have a row. One query for all, as there may be thousands; an empty table costs no scan.
 */
export async function withRows(client: pg.Client, relids: readonly number[]): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    'SELECT r::regclass::text AS name FROM unnest($1::oid[]) AS r ORDER BY r',
    [[...new Set(relids)]],
  );
  const full: string[] = [];
  for (let at = 0; at < rows.length; at += 200) {
    const some = rows.slice(at, at + 200);
    const { rows: flags } = await client.query<{ i: string }>(
      some.map(({ name }, i) => `SELECT ${i} AS i WHERE EXISTS (SELECT FROM ${name})`).join(' UNION ALL '),
    );
    for (const flag of flags) full.push(some[Number(flag.i)]!.name);
  }
  return full;
}
