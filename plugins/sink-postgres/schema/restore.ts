import pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import { fromPg } from '../../../core/postgres/pg-error.ts';
import { bulkError } from '../errors.ts';
import type { Sessions } from '../sessions.ts';
import { type Owner, writePhase } from '../state.ts';

interface StoredObject {
  readonly ordinal: number;
  readonly type: string;
  readonly name: string;
  readonly sql: string;
}

/** Objects per transaction: each takes locks until the commit, and the server's lock table is finite. */
const perTransaction = 200;

/**
 * Makes the stored objects in order, some at a time, each group with its mark in one transaction: a kill leaves a prefix.
 * The last transaction moves the phase on.
 */
export async function restore(sessions: Sessions, owner: Owner, log: Logger, signal: AbortSignal): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    failpoint('restore');
    const more = await sessions.transaction((client) => restoreSome(client, owner, log));
    if (!more) return;
  }
}

async function restoreSome(client: pg.Client, owner: Owner, log: Logger): Promise<boolean> {
  const { rows } = await client.query<Record<keyof StoredObject, string>>(
    `SELECT o.ordinal, o.type, o.name, o.sql FROM pgsluice.bulk_object o JOIN pgsluice.bulk b USING (pipeline, sink)
     WHERE o.pipeline = $1 AND o.sink = $2 AND NOT o.late AND o.ordinal > b.restored ORDER BY o.ordinal LIMIT ${perTransaction}`,
    [owner.pipeline, owner.sink],
  );
  if (rows.length === 0) {
    await client.query('DELETE FROM pgsluice.bulk_object WHERE pipeline = $1 AND sink = $2 AND NOT late', [
      owner.pipeline,
      owner.sink,
    ]);
    await writePhase(client, owner, 'alter');
    return false;
  }
  const objects = rows.map((row) => ({ ...row, ordinal: Number(row.ordinal) }));
  await client.query(`SET LOCAL search_path = ''`);
  await client.query(await settingsBefore(client, owner, objects[0]!.ordinal));
  await makeObjects(client, objects, log);
  await client.query('UPDATE pgsluice.bulk SET restored = $3 WHERE pipeline = $1 AND sink = $2', [
    owner.pipeline,
    owner.sink,
    objects.at(-1)!.ordinal,
  ]);
  return true;
}

/**
 * pg_dump sets default_tablespace and default_table_access_method only where they change, so each transaction starts with
 * the last value of each. SET LOCAL keeps them out of the session.
 */
async function settingsBefore(client: pg.Client, owner: Owner, ordinal: number): Promise<string> {
  const { rows } = await client.query<{ setting: string }>(
    `SELECT DISTINCT ON (m[1]) 'SET LOCAL ' || m[1] || ' = ' || m[2] || ';' AS setting
     FROM pgsluice.bulk_object o, regexp_matches(o.sql, '^SET (default_[a-z_]+) = (.*);$', 'gn') AS m
     WHERE o.pipeline = $1 AND o.sink = $2 AND o.ordinal < $3 AND o.sql LIKE '%SET default_%' ORDER BY m[1], o.ordinal DESC`,
    [owner.pipeline, owner.sink, ordinal],
  );
  return rows.map((row) => row.setting).join(' ');
}

/** All in one round trip; where that fails, one by one, to know which one and whether it may be left out. */
async function makeObjects(client: pg.Client, objects: readonly StoredObject[], log: Logger): Promise<void> {
  try {
    await client.query(`SAVEPOINT objects;\n${objects.map(statementOf).join('\n')}\nRELEASE SAVEPOINT objects`);
    return;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT objects');
  }
  for (const object of objects) await makeOne(client, object, log);
}

export async function makeOne(client: pg.Client, object: StoredObject, log: Logger): Promise<void> {
  try {
    await client.query(`SAVEPOINT object;\n${statementOf(object)}\nRELEASE SAVEPOINT object`);
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    await client.query('ROLLBACK TO SAVEPOINT object');
    const label = `${object.type} ${object.name}`;
    if (mayBeLeftOut(object.type, error.code ?? '')) {
      log.log('warn', 'object-skipped', `${label} is not made in the target: ${error.message}`, { object: label });
      return;
    }
    const known = fromPg(error, {});
    throw bulkError('PGS3002', `${label}: ${known.message}`, {
      where: { object: label, ...(error.code === undefined ? {} : { sqlstate: error.code }) },
      ...remedyOf(object, error),
      cause: error,
    });
  }
}

/** Settings of the dump end with the transaction. */
function statementOf(object: StoredObject): string {
  if (object.type === 'FUNCTION' || object.type === 'PROCEDURE') return object.sql;
  return object.sql.replace(/^SET (default_[a-z_]+ = .*;)$/gm, 'SET LOCAL $1');
}

/** What a user without superuser rights often cannot make, and the rows do not need. Each is a warning. */
const needsRights = new Set(['COMMENT', 'EVENT TRIGGER', 'ACL', 'DEFAULT ACL', 'SECURITY LABEL', 'PUBLICATION']);

function mayBeLeftOut(type: string, sqlstate: string): boolean {
  if (type === 'SCHEMA' && sqlstate === '42P06') return true;
  // A role of the source that the target does not have: nobody could use the mapping.
  if (type === 'USER MAPPING' && sqlstate === '42704') return true;
  return sqlstate === '42501' && needsRights.has(type);
}

function remedyOf(object: StoredObject, error: pg.DatabaseError): { remedy?: string } {
  if (object.type === 'EXTENSION') {
    const name = object.name.split('.').at(-1);
    if (error.code === '42501')
      return { remedy: `As a superuser in the target: CREATE EXTENSION "${name}"; then run again.` };
    return { remedy: `Install the package with the extension ${name} on the target's machine, then run again.` };
  }
  switch (error.code) {
    case '42704':
      return { remedy: 'Create in the target what the message names (a role: or set owners: skip), then run again.' };
    case '42501':
      return { remedy: 'Grant the right to our user, or use a superuser of the target, then run again.' };
    case '42P07':
    case '42710':
    case '42723':
      return { remedy: 'Drop the object of the same name in the target, or use schema: existing.' };
    case '0A000':
      return { remedy: 'The target does not know this feature: use a target of at least the version of the source.' };
    default:
      return {};
  }
}
