import type pg from 'pg';
import type { PgsluiceError } from '../../core/base/error.ts';
import { sourceError } from './errors.ts';
import type { SourceAccess } from './session.ts';

/**
 * I10: a standby that is named in synchronous_standby_names delays each COMMIT on the source until it confirms. If our
 * walsender is named (`*` names all), writes would wait for as long as the pipeline is behind, and commits that no
 * standby has would be acknowledged. Names compare as in syncrep.c: case-insensitively.
 */
export function namesUs(setting: string, application: string): boolean {
  const list = setting.replace(/^\s*(?:(?:first|any)\s+)?\d+\s*\((.*)\)\s*$/is, '$1');
  const names = list.match(/"(?:[^"]|"")*"|[^\s,]+/g) ?? [];
  return names.some((name) => {
    if (name === '*') return true;
    const plain = name.startsWith('"') ? name.slice(1, -1).replaceAll('""', '"') : name;
    return plain.toLowerCase() === application.toLowerCase();
  });
}

export interface Named {
  readonly what: string;
  readonly remedy: string;
}

/** Null: our walsender is not named. */
export async function standbyOfOurName(
  client: pg.Client,
  { application }: Pick<SourceAccess, 'application'>,
): Promise<Named | null> {
  const { rows } = await client.query<{ setting: string }>(
    `SELECT pg_catalog.current_setting('synchronous_standby_names') AS setting`,
  );
  const setting = rows[0]?.setting ?? '';
  if (!namesUs(setting, application)) return null;
  return {
    what: `synchronous_standby_names = '${setting}' takes the pipeline's walsender (application_name '${application}') for a standby: commits on the source would wait for it`,
    remedy:
      "List the standbys by their names there instead, and nothing that the pipeline has: ALTER SYSTEM SET synchronous_standby_names = 'FIRST 1 (standby_a, standby_b)'; SELECT pg_reload_conf();",
  };
}

/** The finding as an error that ends a run. */
export async function refusalAsStandby(client: pg.Client, access: SourceAccess): Promise<PgsluiceError | null> {
  const named = await standbyOfOurName(client, access);
  if (named === null) return null;
  return sourceError('PGS2184', named.what, { where: { connection: access.name }, remedy: named.remedy });
}
