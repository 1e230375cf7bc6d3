import pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { failpoint } from '../../../core/base/failpoint.ts';
import type { Sessions } from '../sessions.ts';
import { type Owner, writePhase } from '../state.ts';
import { type LeftOutPart, noteLeftOut } from './left-out.ts';
import { isMade } from './made-by-hand.ts';
import { type Refused, type StoredObject, isThere, labelOf, mayBeLeftOut, refusedBy, refusedError } from './refused.ts';

/** Objects per transaction: each takes locks until the commit, and the server's lock table is finite. */
const perTransaction = 200;

export interface RestoreOptions {
  readonly log: Logger;
  readonly onError: 'stop' | 'skip';
  readonly signal: AbortSignal;
}

/**
 * Creates the stored objects in order, some at a time, each group with its mark in one transaction: a kill leaves a
 * prefix. A refused object is tried again when all others exist, as pg_dump's order does not always work. Objects that
 * are refused then are reported together, or left out. The last transaction advances the phase. Until the copy is
 * finished the objects record what this pipeline made (made.ts).
 */
export async function restore(sessions: Sessions, owner: Owner, options: RestoreOptions): Promise<void> {
  for (;;) {
    options.signal.throwIfAborted();
    failpoint('restore');
    if (!(await sessions.transaction((client) => restoreSome(client, owner)))) break;
  }
  const left = await tryAgain(sessions, owner, options);
  await sessions.transaction(async (client) => {
    await noteLeftOut(client, owner, leaveOut(left, options.log));
    await writePhase(client, owner, 'alter');
  });
}

async function restoreSome(client: pg.Client, owner: Owner): Promise<boolean> {
  const { rows } = await client.query<Record<keyof StoredObject, string>>(
    `SELECT o.ordinal, o.type, o.name, o.sql FROM pgsluice.bulk_object o JOIN pgsluice.bulk b USING (pipeline, sink)
     WHERE o.pipeline = $1 AND o.sink = $2 AND NOT o.late AND o.ordinal > b.restored ORDER BY o.ordinal LIMIT ${perTransaction}`,
    [owner.pipeline, owner.sink],
  );
  if (rows.length === 0) return false;
  const objects = rows.map((row) => ({ ...row, ordinal: Number(row.ordinal) }));
  await client.query(`SET LOCAL search_path = ''`);
  const refused = await makeObjects(client, objects);
  await client.query('UPDATE pgsluice.bulk SET restored = $3 WHERE pipeline = $1 AND sink = $2', [
    owner.pipeline,
    owner.sink,
    objects.at(-1)!.ordinal,
  ]);
  await noteRefused(client, owner, refused);
  return true;
}

/** Classes of SQLSTATE that say nothing about an object: lost connections, conflicts, resources, an operator, I/O. */
const ofTheServer = /^(08|40|53|57|58)/;

/** All in one round trip; if that fails, in halves, until a refused object is alone. */
async function makeObjects(client: pg.Client, objects: readonly StoredObject[]): Promise<readonly Refused[]> {
  // In a separate query: the server runs nothing of a text with a syntax error.
  await client.query('SAVEPOINT objects');
  try {
    await client.query(`${objects.map(statementOf).join('\n')}\nRELEASE SAVEPOINT objects`);
    return [];
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || ofTheServer.test(error.code ?? '')) throw error;
    await client.query('ROLLBACK TO SAVEPOINT objects');
    if (objects.length === 1) return [refusedBy(objects[0]!, error)];
  }
  const half = Math.ceil(objects.length / 2);
  const first = await makeObjects(client, objects.slice(0, half));
  return [...first, ...(await makeObjects(client, objects.slice(half)))];
}

async function noteRefused(client: pg.Client, owner: Owner, refused: readonly Refused[]): Promise<void> {
  if (refused.length === 0) return;
  await client.query(
    `UPDATE pgsluice.bulk_object o SET refused = r.message FROM unnest($3::int[], $4::text[]) AS r (ordinal, message)
     WHERE o.pipeline = $1 AND o.sink = $2 AND o.ordinal = r.ordinal`,
    [owner.pipeline, owner.sink, refused.map(({ object }) => object.ordinal), refused.map(({ message }) => message)],
  );
}

/** Until a round creates none of them. Returns the objects that are left out; throws if the restore has to stop. */
async function tryAgain(sessions: Sessions, owner: Owner, options: RestoreOptions): Promise<readonly Refused[]> {
  let before = Infinity;
  for (;;) {
    options.signal.throwIfAborted();
    const { refused, reported } = await sessions.transaction((client) => retryAll(client, owner));
    const open = refused.filter((one) => !isThere(one, reported));
    if (open.length === 0) return [];
    if (open.length < before) {
      before = open.length;
      continue;
    }
    const errors = open.filter((one) => !mayBeLeftOut(one));
    if (errors.length === 0 || options.onError === 'skip') return open;
    await sessions.transaction((client) => markReported(client, owner));
    throw refusedError(errors);
  }
}

async function retryAll(
  client: pg.Client,
  owner: Owner,
): Promise<{ readonly refused: readonly Refused[]; readonly reported: boolean }> {
  const { rows } = await client.query<Record<keyof StoredObject | 'told', string>>(
    `SELECT ordinal, type, name, sql, told::text FROM pgsluice.bulk_object
     WHERE pipeline = $1 AND sink = $2 AND NOT late AND refused IS NOT NULL ORDER BY ordinal`,
    [owner.pipeline, owner.sink],
  );
  await client.query(`SET LOCAL search_path = ''`);
  const refused: Refused[] = [];
  for (const row of rows) {
    const [failed] = await makeObjects(client, [{ ...row, ordinal: Number(row.ordinal) }]);
    if (failed !== undefined && !(row.told === 'true' && (await isMade(client, failed.object)))) {
      refused.push(failed);
      continue;
    }
    // `told` stays set for an object that a user made by hand: it is not ours.
    await client.query(
      'UPDATE pgsluice.bulk_object SET refused = NULL, told = $4 WHERE pipeline = $1 AND sink = $2 AND ordinal = $3',
      [owner.pipeline, owner.sink, row.ordinal, failed !== undefined],
    );
  }
  return { refused, reported: rows.some((row) => row.told === 'true') };
}

/** From now on an existing object counts as made: the user was asked to make it. */
async function markReported(client: pg.Client, owner: Owner): Promise<void> {
  await client.query(
    'UPDATE pgsluice.bulk_object SET told = true WHERE pipeline = $1 AND sink = $2 AND refused IS NOT NULL',
    [owner.pipeline, owner.sink],
  );
}

/** One object by itself. Returns whether it is left out; otherwise throws if it is refused. */
export async function makeOne(
  client: pg.Client,
  object: StoredObject,
  { log, onError }: Omit<RestoreOptions, 'signal'>,
): Promise<readonly LeftOutPart[]> {
  const [refused] = await makeObjects(client, [object]);
  if (refused === undefined || isThere(refused, false)) return [];
  if (!mayBeLeftOut(refused) && onError === 'stop') throw refusedError([refused]);
  return leaveOut([refused], log);
}

function leaveOut(refused: readonly Refused[], log: Logger): readonly LeftOutPart[] {
  return refused.map((one) => {
    const [what, why] = [labelOf(one.object), one.message];
    log.log('warn', 'object-skipped', `${what} is not made in the target: ${why}`, { object: what });
    return { what, why };
  });
}

/** Settings of the dump end with the transaction. */
function statementOf(object: StoredObject): string {
  if (object.type === 'FUNCTION' || object.type === 'PROCEDURE') return object.sql;
  return object.sql.replace(/^SET (default_[a-z_]+ = .*;)$/gm, 'SET LOCAL $1');
}
