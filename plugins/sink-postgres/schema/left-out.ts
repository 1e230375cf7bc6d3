import type pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import type { Owner } from '../state.ts';
import type { LeftOut } from './fit-roles.ts';

/** A part of the source's schema that the target does not get, and why. */
export interface LeftOutPart {
  readonly what: string;
  readonly why: string;
}

/** Kept until the cutover, which reports it again. */
export async function noteLeftOut(client: pg.Client, owner: Owner, parts: readonly LeftOutPart[]): Promise<void> {
  if (parts.length === 0) return;
  await client.query(
    `INSERT INTO pgsluice.left_out (pipeline, sink, what, why) SELECT $1, $2, p.what, p.why
     FROM unnest($3::text[], $4::text[]) AS p (what, why) ON CONFLICT DO NOTHING`,
    [owner.pipeline, owner.sink, parts.map(({ what }) => what), parts.map(({ why }) => why)],
  );
}

export async function readLeftOut(client: pg.Client, owner: Owner): Promise<readonly LeftOutPart[]> {
  const { rows: there } = await client.query<{ there: string | null }>(
    `SELECT to_regclass('pgsluice.left_out')::text AS there`,
  );
  if (there[0]?.there === null) return [];
  const { rows } = await client.query<{ what: string; why: string }>(
    'SELECT what, why FROM pgsluice.left_out WHERE pipeline = $1 AND sink = $2 ORDER BY what, why',
    [owner.pipeline, owner.sink],
  );
  return rows;
}

const shown = 5;

/** One line per role, with the number of parts and the first of them. */
export function tellLeftOut(left: readonly LeftOut[], log: Logger): readonly LeftOutPart[] {
  for (const [key, parts] of Map.groupBy(left, ({ role, why }) => `${why} ${role}`)) {
    const { role, why } = parts[0]!;
    const names = parts.slice(0, shown).map(({ what }) => what);
    const others = parts.length > shown ? ` and ${parts.length - shown} more` : '';
    log.log('warn', 'owners-skipped', `${reason(why, role)}; left out: ${names.join(', ')}${others}`, {
      roles: role,
      parts: parts.length,
      key,
    });
  }
  return left.map(({ role, why, what }) => ({ what, why: reason(why, role) }));
}

function reason(why: LeftOut['why'], role: string): string {
  return why === 'missing' ? `the target has no role ${role}` : `our user may not make ${role} an owner`;
}
