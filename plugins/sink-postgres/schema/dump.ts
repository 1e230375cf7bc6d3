import type pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import type { SchemaDump, SchemaObject } from '../../../core/api/snapshot.ts';
import { batches } from '../batches.ts';
import { bulkError } from '../errors.ts';
import type { Owner } from '../state.ts';
import { isGrant, missingRoles, rolesOf, withoutOwner } from './roles.ts';

/** Made when the data is there: an event trigger would fire at our own statements. */
const late = new Set(['EVENT TRIGGER']);

/**
 * Stores the source's schema in the state, so that a restore which was killed goes on with the very same objects, whatever
 * happened on the source since. Called in the transaction that notes the phase.
 */
export async function storeDump(
  client: pg.Client,
  owner: Owner,
  dump: SchemaDump,
  more: { readonly owners: 'keep' | 'skip' | undefined; readonly log: Logger; readonly connection: string },
): Promise<void> {
  const wanted = dump.objects.filter((object) => isOurs(object, more.log));
  const keep = await keepOwners(client, wanted, more);
  const objects = keep ? wanted : wanted.filter((object) => !isGrant(object));
  // Some at a time: all of them as one statement would be in memory three times.
  let ordinal = 0;
  for (const group of batches(objects, 1000)) {
    await store(client, owner, group, { after: ordinal, keep });
    ordinal += group.length;
  }
}

async function store(
  client: pg.Client,
  owner: Owner,
  objects: readonly SchemaObject[],
  { after, keep }: { readonly after: number; readonly keep: boolean },
): Promise<void> {
  await client.query(
    `INSERT INTO pgsluice.bulk_object (pipeline, sink, ordinal, type, name, sql, late)
     SELECT $1, $2, o.ordinal, o.type, o.name, o.sql, o.late
     FROM unnest($3::int[], $4::text[], $5::text[], $6::text[], $7::boolean[]) AS o (ordinal, type, name, sql, late)`,
    [
      owner.pipeline,
      owner.sink,
      objects.map((_, i) => after + i + 1),
      objects.map((o) => o.type),
      objects.map((o) => (o.schema === null ? o.name : `${o.schema}.${o.name}`)),
      objects.map((o) => (keep ? o.sql : withoutOwner(o.sql))),
      objects.map((o) => late.has(o.type)),
    ],
  );
}

/** Subscriptions would start to pull, and what replication of the source made is of no use here. */
function isOurs(object: SchemaObject, log: Logger): boolean {
  if (object.schema === 'pgsluice' || (object.type === 'SCHEMA' && object.name === 'pgsluice')) return false;
  if (object.type.startsWith('PUBLICATION') && object.name.startsWith('pgsluice')) return false;
  if (!object.type.startsWith('SUBSCRIPTION')) return true;
  log.log('warn', 'object-skipped', `subscription ${object.name} is not created in the target`, {
    object: object.name,
  });
  return false;
}

export async function keepOwners(
  client: pg.Client,
  objects: readonly SchemaObject[],
  more: { readonly owners: 'keep' | 'skip' | undefined; readonly log: Logger; readonly connection: string },
): Promise<boolean> {
  if (more.owners === 'skip') return false;
  const missing = await missingRoles(client, rolesOf(objects));
  if (missing.length === 0) return true;
  const names = missing.join(', ');
  if (more.owners === 'keep') {
    throw bulkError('PGS3003', `the target lacks these roles, or we may not act as them: ${names}`, {
      where: { connection: more.connection },
      remedy: `CREATE ROLE ${missing[0]}; … (and GRANT it to our user), or set owners: skip.`,
    });
  }
  more.log.log('warn', 'owners-skipped', `owners and grants are left out, as the target lacks the roles ${names}`, {
    roles: names,
  });
  return false;
}
