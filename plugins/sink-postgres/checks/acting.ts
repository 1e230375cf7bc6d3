import type pg from 'pg';
import type { Finding } from '../../../core/api/check.ts';
import type { TablePlan } from '../../../core/api/plan.ts';
import { readActors, remedyFor, words } from '../definitions/kept-off.ts';

type Found = Omit<Finding, 'subject'>;

/**
 * Triggers, rules and forced row-level security of existing tables: they are kept off while rows are written, so the
 * user needs the privilege for that. Event triggers act only on our DDL, and only their owner may disable them: they
 * are reported.
 */
export async function actingFindings(
  client: pg.Client,
  user: { readonly user: string; readonly version: number },
  plans: readonly TablePlan[],
): Promise<Found[]> {
  const found = await readActors(client, await tablesThere(client, plans));
  return [actors(found, user), ...(await eventTriggers(client))];
}

function actors(
  found: Awaited<ReturnType<typeof readActors>>,
  { user, version }: { readonly user: string; readonly version: number },
): Found {
  const check = 'target-triggers';
  const foreign = found.filter(({ ours }) => !ours);
  if (foreign.length > 0) {
    const message = `${user} may not keep off what acts on replicated rows: ${few(foreign.map(words))}`;
    return { check, level: 'error', message, remedy: remedyFor(foreign, user, version), code: 'PGS3120' };
  }
  if (found.length === 0) {
    return { check, level: 'ok', message: 'nothing of the target acts on replicated rows', remedy: null };
  }
  return { check, level: 'ok', message: `kept off until the cutover: ${few(found.map(words))}`, remedy: null };
}

async function tablesThere(client: pg.Client, plans: readonly TablePlan[]): Promise<number[]> {
  const { rows } = await client.query<{ oid: string }>(
    `SELECT c.oid FROM unnest($1::text[], $2::text[]) AS w (s, t) JOIN pg_namespace n ON n.nspname = w.s
     JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.t WHERE c.relkind IN ('r', 'p')`,
    [plans.map(({ output }) => output.schema), plans.map(({ output }) => output.name)],
  );
  return rows.map(({ oid }) => Number(oid));
}

async function eventTriggers(client: pg.Client): Promise<Found[]> {
  const { rows } = await client.query<{ name: string }>(
    `SELECT evtname AS name FROM pg_event_trigger
     WHERE evtenabled = ANY(CASE current_setting('session_replication_role') WHEN 'replica' THEN ARRAY['A', 'R']::"char"[] ELSE ARRAY['O', 'A']::"char"[] END)
     ORDER BY 1`,
  );
  if (rows.length === 0) return [];
  const message = `event triggers of the target fire at the DDL of the pipeline: ${few(rows.map(({ name }) => name))}`;
  return [{ check: 'target-event-triggers', level: 'warning', message, remedy: null }];
}

function few(names: readonly string[]): string {
  const shown = names.slice(0, 10).join(', ');
  return names.length > 10 ? `${shown} and ${names.length - 10} more` : shown;
}
