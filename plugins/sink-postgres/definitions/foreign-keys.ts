import type pg from 'pg';
import { failpoint } from '../../../core/base/failpoint.ts';
import { PgsluiceError } from '../../../core/base/error.ts';
import type { PluginContext } from '../../../core/api/context.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import { batches } from '../batches.ts';
import { bulkError } from '../errors.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { descendantsOf, readTree } from '../schema/tree.ts';
import { settle } from '../semaphore.ts';
import { type TableState, readTables } from '../state.ts';
import {
  type Builder,
  type Definition,
  markDefinition,
  markDefinitions,
  openDefinitions,
  runAll,
  step,
} from './build.ts';
import { findOrphans, type Reference } from './orphans.ts';
import type { DefinitionStatus } from './save.ts';

/**
 * What is known of the rows on both sides of a foreign key: `guaranteed`: all rows of both tables came unchanged from
 * one snapshot, in which the source enforced the key; `possible`: a filter, a computed column or a table that is not
 * copied may leave orphans; `later`: the tables are exact at different positions (I5), so the key holds only after the
 * stream has caught up, and is not created before: even NOT VALID it would prevent the TRUNCATE of one of the two.
 */
export type Standing = 'guaranteed' | 'possible' | 'later';

/** Columns whose value may differ from the source's can cause an orphan, as a filter can. Pure. */
export function standing(
  tables: readonly {
    readonly plan: TablePlan | null;
    readonly exactAt: string | null;
    readonly mixed?: boolean;
    readonly columns: readonly string[];
  }[],
): Standing {
  const positions = new Set(tables.map((table) => table.exactAt));
  if (positions.size > 1 || tables.some((table) => table.mixed === true)) return 'later';
  const whole = tables.every(
    ({ plan, columns }) =>
      plan !== null &&
      plan.projection.where === null &&
      plan.tail === null &&
      columns.every((name) => plan.projection.columns.some((column) => column.name === name && column.from !== null)),
  );
  return whole && !positions.has(null) ? 'guaranteed' : 'possible';
}

interface ForeignKeyInput {
  readonly builder: Builder;
  readonly plans: readonly TablePlan[];
  readonly dependents: 'error' | 'cascade';
  readonly context: PluginContext;
  /** The stream has caught up: keys that waited for that are checked now. */
  readonly caughtUp: boolean;
  /** Lanes commit rows of one transaction separately: no key holds before all lanes have finished. */
  readonly apart?: boolean;
}

/**
 * Some keys wait until the stream has caught up: keys whose tables are exact at different positions; all keys if lanes
 * divide transactions; and all keys if the user cannot set the replica role, as changes are applied one by one: a
 * cascade would delete rows that the stream deletes, too, and a statement that removes both ends of a key is two
 * changes here.
 *
 * Adds every other key NOT VALID, which locks briefly, then checks it as far as necessary: a superuser marks a
 * guaranteed key as valid without the scan (VALIDATE CONSTRAINT changes nothing but convalidated), others are
 * validated, several at a time. A key of a partitioned table cannot be NOT VALID before 18: it is added with its scan.
 * Returns the keys that wait.
 */
export async function buildForeignKeys(input: ForeignKeyInput, signal: AbortSignal): Promise<readonly string[]> {
  const { builder } = input;
  const open = await builder.sessions.query((client) =>
    openDefinitions(client, builder.owner, { relids: null, kinds: ['foreign key'], partitioned: false }),
  );
  if (open.length === 0) return [];
  const keys = await builder.sessions.query((client) => judge(client, input, open));
  const { replica } = await builder.sessions.powers();
  const waits = (key: Key): boolean =>
    !input.caughtUp && (key.standing === 'later' || !replica || input.apart === true);
  const ready = keys.filter((key) => !waits(key));
  const aside = ready.filter((key) => key.definition.status === 'aside');
  const made = input.caughtUp ? new Set<Key>() : await addTogether(builder, aside, signal);
  for (const key of aside.filter((one) => !made.has(one))) {
    signal.throwIfAborted();
    failpoint('foreign-key');
    await orphansNamed(input, key, () => step(builder, key.definition, (client) => add(client, key, input)));
  }
  const unchecked = await builder.sessions.query((client) =>
    openDefinitions(client, builder.owner, { relids: null, kinds: ['foreign key'], partitioned: false }),
  );
  await settle(
    ready
      .filter((key) => unchecked.some((u) => same(u, key.definition) && u.status === 'unchecked'))
      .map((key) =>
        builder.workers.run(async () => {
          signal.throwIfAborted();
          await orphansNamed(input, key, () => step(builder, key.definition, validate));
        }),
      ),
  );
  return keys.filter(waits).map((key) => key.definition.name);
}

interface Key extends Omit<Reference, 'name' | 'table' | 'constraint'> {
  readonly definition: Definition;
  readonly standing: Standing;
}

function same(a: Definition, b: Definition): boolean {
  return a.relid === b.relid && a.name === b.name;
}

async function judge(client: pg.Client, input: ForeignKeyInput, open: readonly Definition[]): Promise<Key[]> {
  const states = [...(await readTables(client, input.builder.owner)).values()].filter(
    (state) => state.phase !== 'parent',
  );
  const tree = await readTree(
    client,
    open.flatMap((d) => [Number(d.relid), Number(d.refRelid)]),
  );
  const bySource = new Map(input.plans.map((plan) => [relationName(plan.source), plan]));
  const covering = (relid: number): TableState[] => {
    const inside = new Set([relid, ...descendantsOf(tree, relid).map((node) => node.relid)]);
    return states.filter((state) => inside.has(state.relid));
  };
  return open.map((definition) => {
    const { columns, refColumns } = columnsOf(definition.constraint!);
    const parent = tree.get(Number(definition.refRelid));
    const sides = [
      { relid: Number(definition.relid), columns },
      { relid: Number(definition.refRelid), columns: refColumns },
    ].flatMap((side) => {
      const found = covering(side.relid);
      if (found.length === 0) return [{ plan: null, exactAt: null, mixed: false, columns: side.columns }];
      return found.map((state) => ({
        plan: bySource.get(state.source) ?? null,
        exactAt: state.exactAt,
        mixed: state.mixed,
        columns: side.columns,
      }));
    });
    return {
      definition,
      // A table that is not ours has no position; its rows exist, and the check decides.
      standing: sides.some((side) => side.plan === null) ? 'possible' : standing(sides),
      partitioned: tree.get(Number(definition.relid))?.partitioned === true,
      columns,
      refColumns,
      refTable: parent?.sql ?? '',
      refPartitioned: parent?.partitioned === true,
    };
  });
}

/** Names from `FOREIGN KEY (a, "b c") REFERENCES s.t(x, y) …` as pg_get_constraintdef writes it. */
export function columnsOf(constraint: string): { columns: string[]; refColumns: string[] } {
  const list = String.raw`\(((?:"(?:[^"]|"")+"|[^")])*)\)`;
  const match = new RegExp(`^FOREIGN KEY ${list} REFERENCES (?:"(?:[^"]|"")+"|[^"(])*${list}`).exec(constraint);
  const names = (text: string): string[] =>
    [...text.matchAll(/"((?:[^"]|"")+)"|([^",\s]+)/g)]
      .map((m) => (m[1] === undefined ? m[2]! : m[1].replaceAll('""', '"')))
      .filter((name) => name !== 'PERIOD');
  return { columns: names(match?.[1] ?? ''), refColumns: names(match?.[2] ?? '') };
}

/** Keys per transaction: each locks two tables until the commit. */
const perTransaction = 50;

/**
 * Keys that need no scan, many at a time with their marks. Returns those that were created: if one of a group is
 * refused none of the group is, and they are tried one by one.
 */
async function addTogether(builder: Builder, keys: readonly Key[], signal: AbortSignal): Promise<ReadonlySet<Key>> {
  const { superuser } = await builder.sessions.powers();
  const sure = keys.filter(
    (key) => superuser && key.standing === 'guaranteed' && !key.partitioned && !staysUnchecked(key.definition),
  );
  const made = new Set<Key>();
  for (const group of batches(sure, perTransaction)) {
    signal.throwIfAborted();
    failpoint('foreign-key');
    const definitions = group.map(({ definition }) => definition);
    try {
      await builder.sessions.transaction(async (client) => {
        await client.query(definitions.map((one) => `${additionOf(one)} NOT VALID`).join('; '));
        await markValid(client, definitions);
        await runAll(
          client,
          definitions.flatMap(({ after }) => after),
        );
        await markDefinitions(client, builder.owner, definitions, 'built');
      });
      for (const key of group) made.add(key);
    } catch (error) {
      if (!(error instanceof PgsluiceError) || error.where.sqlstate === undefined) throw error;
    }
  }
  return made;
}

function additionOf({ table, name, constraint }: Definition): string {
  return `ALTER TABLE ${table} ADD CONSTRAINT ${quoteIdent(name)} ${constraint}`;
}

/** It was not valid, or is not enforced, on the source either. */
function staysUnchecked({ constraint }: Definition): boolean {
  return / NOT (?:VALID|ENFORCED)$/.test(constraint!);
}

async function markValid(client: pg.Client, definitions: readonly Definition[]): Promise<void> {
  await client.query(
    `UPDATE pg_catalog.pg_constraint k SET convalidated = true FROM unnest($1::oid[], $2::name[]) AS n (relid, name)
     WHERE k.conrelid = n.relid AND k.conname = n.name AND k.contype = 'f'`,
    [definitions.map(({ relid }) => relid), definitions.map(({ name }) => name)],
  );
}

async function add(client: pg.Client, key: Key, input: ForeignKeyInput): Promise<DefinitionStatus> {
  const { definition } = key;
  const { version, superuser } = await input.builder.sessions.powers();
  const statement = additionOf(definition);
  if (staysUnchecked(definition)) {
    await client.query(statement);
    await runAll(client, definition.after);
    return 'built';
  }
  if (key.partitioned && version < 180000) {
    await client.query(statement);
    await runAll(client, definition.after);
    return 'built';
  }
  await client.query(`${statement} NOT VALID`);
  if (key.standing !== 'guaranteed' || !superuser || key.partitioned) return 'unchecked';
  await markValid(client, [definition]);
  await runAll(client, definition.after);
  return 'built';
}

async function validate(client: pg.Client, definition: Definition): Promise<DefinitionStatus> {
  await client.query(`ALTER TABLE ${definition.table} VALIDATE CONSTRAINT ${quoteIdent(definition.name)}`);
  await runAll(client, definition.after);
  return 'built';
}

/**
 * For a failed check (23503), names the rows without a referenced row; with `dependents: cascade` the key is dropped
 * instead.
 */
async function orphansNamed(input: ForeignKeyInput, key: Key, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    const known = fromPg(error, {});
    if (known.where.sqlstate !== '23503') throw error;
    const { sessions, owner } = input.builder;
    const { definition } = key;
    const reference = { ...key, name: definition.name, table: definition.table, constraint: definition.constraint! };
    // If the orphans cannot be searched, the server's own message is used.
    const orphans = await sessions
      .query((client) => findOrphans(client, reference, input.context.debugValues))
      .catch(() => {
        throw error;
      });
    const text = `${orphans.text}; all of them: ${orphans.query}`;
    if (input.dependents === 'error') {
      throw bulkError('PGS3022', `foreign key ${definition.name}: ${text}`, {
        where: { table: definition.table, object: definition.name, sqlstate: '23503' },
        cause: error,
      });
    }
    input.context.log.log('warn', 'foreign-key-dropped', `foreign key ${definition.name} is not made: ${text}`);
    await sessions.transaction(async (client) => {
      await client.query(`ALTER TABLE ${definition.table} DROP CONSTRAINT IF EXISTS ${quoteIdent(definition.name)}`);
      await markDefinition(client, owner, definition, 'built');
    });
  }
}
