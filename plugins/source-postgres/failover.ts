import { failpoint } from '../../core/base/failpoint.ts';
import { disconnect } from '../../core/postgres/connect.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import { quoteIdent } from '../../core/postgres/quote.ts';
import { readSlotState } from './control/slot-state.ts';
import { type SourceAccess, open } from './session.ts';
import { sourceError } from './errors.ts';

/** Failover slots exist from PostgreSQL 17 on. */
export const failoverSince = 170_000;

/**
 * `slot.failover`: standbys keep a copy of the slot. Set separately, not at the slot's creation: a copied slot and an
 * existing slot do not have the property (manual: ALTER_REPLICATION_SLOT). No connection may read the slot meanwhile.
 */
export async function ensureFailover(access: SourceAccess): Promise<void> {
  if (!access.failover) return;
  const client = await open(access, true);
  try {
    const { rows } = await client.query<{ version: string; standby: string }>(
      `SELECT current_setting('server_version_num') AS version, pg_is_in_recovery() AS standby`,
    );
    if (Number(rows[0]!.version) < failoverSince) throw tooOld(access, Number(rows[0]!.version));
    if (rows[0]!.standby === 't') return;
    if ((await readSlotState(client, access.slot))?.failover !== false) return;
    await client.query(`ALTER_REPLICATION_SLOT ${quoteIdent(access.slot)} ( FAILOVER true )`);
    failpoint('slot-failover');
  } catch (error) {
    throw fromPg(error, { connection: access.name, object: `slot ${access.slot}` });
  } finally {
    await disconnect(client);
  }
}

export function tooOld({ name }: Pick<SourceAccess, 'name'>, version: number): Error {
  return sourceError(
    'PGS2195',
    `slot.failover needs PostgreSQL 17 or later on the source, this is ${Math.floor(version / 10_000)}`,
    { where: { connection: name } },
  );
}
