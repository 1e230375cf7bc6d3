import pg from 'pg';
import { PgsluiceError } from '../../core/base/error.ts';
import { failpoint } from '../../core/base/failpoint.ts';
import { formatLsn, parseLsn } from '../../core/postgres/lsn.ts';
import { destroy, disconnect } from '../../core/postgres/connect.ts';
import { connectionError } from '../../core/postgres/errors.ts';
import { fromPg } from '../../core/postgres/pg-error.ts';
import { quoteIdent, quoteLiteral } from '../../core/postgres/quote.ts';
import { blockersSql } from './blockers.ts';
import { sourceError } from './errors.ts';
import { ensureFailover } from './failover.ts';
import { isOurPublication, markPublication } from './ownership/publication-proof.ts';
import { type Names, type SlotNote, proveSlot, slotKey } from './ownership/slot-proof.ts';
import { readDefinition } from './publication/definition.ts';
import { changePrimary, helpStandby } from './primary.ts';
import { type SourceAccess, open, withClient } from './session.ts';

export interface NewSlot {
  readonly consistentPoint: bigint;
  /** Importable until `close`. Empty if none was exported. */
  readonly snapshot: string;
  /** The session that created the slot, and that a temporary slot belongs to. */
  readonly client: pg.Client;
  /** Ends the replication connection, and with it the exported snapshot and a temporary slot. */
  close(): Promise<void>;
}

export interface SlotRequest {
  readonly name: string;
  readonly temporary: boolean;
  readonly exportSnapshot: boolean;
  /** Default pgoutput. */
  readonly plugin?: 'test_decoding';
}

/**
 * CREATE_REPLICATION_SLOT … LOGICAL (manual: "Streaming Replication Protocol"). Waits until all present transactions
 * have ended, and logs those that it waits for. Aborting closes the connection; the server then drops the unfinished
 * slot.
 */
export async function createSlot(access: SourceAccess, request: SlotRequest, signal: AbortSignal): Promise<NewSlot> {
  const client = await openReplication(access);
  const abort = (): void => destroy(client);
  signal.addEventListener('abort', abort, { once: true });
  const waits = watchWaits(access, client);
  try {
    signal.throwIfAborted();
    const kind = request.temporary ? 'TEMPORARY LOGICAL' : 'LOGICAL';
    const { rows } = await client.query<{ consistent_point: string; snapshot_name: string | null }>(
      `CREATE_REPLICATION_SLOT ${quoteIdent(request.name)} ${kind} ${request.plugin ?? 'pgoutput'} ${request.exportSnapshot ? 'EXPORT_SNAPSHOT' : 'NOEXPORT_SNAPSHOT'}`,
    );
    const row = rows[0]!;
    return {
      consistentPoint: parseLsn(row.consistent_point),
      snapshot: row.snapshot_name ?? '',
      client,
      close: () => disconnect(client),
    };
  } catch (error) {
    destroy(client);
    if (signal.aborted) throw signal.reason;
    throw await slotError(access, request.name, error);
  } finally {
    signal.removeEventListener('abort', abort);
    await waits.stop();
  }
}

async function openReplication(access: SourceAccess): Promise<pg.Client> {
  try {
    return await open(access, true);
  } catch (error) {
    const state = error instanceof PgsluiceError ? error.where.sqlstate : undefined;
    const where = { connection: access.name, ...(state === undefined ? {} : { sqlstate: state }) };
    if (state === '53300') {
      throw sourceError('PGS2112', 'the source has no walsender free for a replication connection', {
        where,
        cause: error,
      });
    }
    if (state === '42501') {
      throw sourceError('PGS2114', 'the role of the URL may not open a replication connection', {
        where,
        cause: error,
      });
    }
    throw error;
  }
}

async function slotError(access: SourceAccess, name: string, error: unknown): Promise<PgsluiceError> {
  const state = error instanceof pg.DatabaseError ? (error.code ?? '') : '';
  const details = { where: { connection: access.name, object: `slot ${name}`, sqlstate: state }, cause: error };
  if (state === '42710') return taken(access, error);
  if (state === '53400') return sourceError('PGS2111', 'all replication slots of the source are in use', details);
  if (state === '42501') return sourceError('PGS2114', 'the role of the URL may not make replication slots', details);
  if (state === '55000') {
    const level = await withClient(access, null, async (client) => {
      const { rows } = await client.query<{ wal_level: string }>('SHOW wal_level');
      return rows[0]!.wal_level;
    }).catch(() => 'logical');
    if (level !== 'logical') return sourceError('PGS2110', `wal_level of the source is ${level}`, details);
  }
  return fromPg(error, { connection: access.name, object: `slot ${name}` });
}

/** The error for a name that is taken: the existing slot is left alone. */
async function taken(access: SourceAccess, cause?: unknown): Promise<PgsluiceError> {
  const { slot, owner, name } = access;
  const proof = await withClient(access, null, (client) => proveSlot(client, owner, access));
  const left = proof?.ours === true ? 'a leftover of this pipeline' : (proof?.why ?? 'it was there a moment ago');
  return sourceError('PGS2113', `replication slot "${slot}" exists already: ${left}`, {
    where: { connection: name, object: `slot ${slot}` },
    remedy: slotRemedy(slot, proof?.ours === true),
    cause,
  });
}

export function slotRemedy(slot: string, ours: boolean): string {
  return ours
    ? 'Run `pgsluice cleanup`, which drops it.'
    : `Choose another name with slot.name; or, if nobody needs it: SELECT pg_drop_replication_slot(${quoteLiteral(slot)});`;
}

/** Logs the transactions that the creation of the slot waits for: those that were running when it began. */
function watchWaits(access: SourceAccess, walsender: pg.Client): { stop(): Promise<void> } {
  const pid = Number((walsender as unknown as { processID: number }).processID);
  let said = '';
  let running: Promise<void> = Promise.resolve();
  const look = async (): Promise<void> => {
    const pids = await withClient(access, null, async (client) => {
      const { rows } = await client.query<{ pids: string }>(
        `SELECT ${blockersSql('of')} AS pids FROM pg_blocking_pids(${pid}) AS of`,
      );
      return rows[0]!.pids;
    });
    // The seconds increase with each look.
    const whom = pids.replaceAll(/ for \d+ s\)/g, ')');
    if (pids === '' || whom === said) return;
    said = whom;
    access.log.log('warn', 'slot-waits', `the new slot waits for transactions that are running: ${pids}`, { pids });
  };
  // A failed look at the blockers does not stop the creation.
  const timer = setInterval(() => (running = running.then(look).catch(() => {})), 2000);
  const ended = new AbortController();
  const helped = helpStandby(access, ended.signal);
  return {
    stop: () => {
      clearInterval(timer);
      ended.abort();
      return Promise.all([running, helped]).then(() => {});
    },
  };
}

/**
 * The slot of the pipeline. It is first created under another name and for this session only, then noted, and only then
 * copied to its own name: whatever a kill leaves, a slot of that name at the noted position is this one.
 */
export async function createOwnSlot(
  access: SourceAccess,
  request: Pick<SlotRequest, 'exportSnapshot'>,
  signal: AbortSignal,
): Promise<NewSlot> {
  await withClient(access, signal, (client) => refuseTaken(client, access));
  const temporary = temporaryName(access);
  const made = await createSlot(access, { ...request, name: temporary, temporary: true }, signal);
  try {
    await withClient(access, signal, (client) => keep(client, access, { temporary, from: made.consistentPoint }));
    await ensureFailover(access);
    return made;
  } catch (error) {
    await made.close();
    throw error instanceof PgsluiceError && error.cause instanceof pg.DatabaseError
      ? await slotError(access, access.slot, error.cause)
      : error;
  }
}

export function temporaryName({ slot }: SourceAccess): string {
  return `${slot.slice(0, 50)}_${process.pid.toString(36)}_${Date.now().toString(36).slice(-4)}`;
}

async function refuseTaken(client: pg.Client, access: SourceAccess): Promise<void> {
  const { rows } = await client.query('SELECT FROM pg_replication_slots WHERE slot_name = $1', [access.slot]);
  if (rows.length > 0) throw await taken(access);
}

async function keep(
  client: pg.Client,
  access: SourceAccess,
  made: { readonly temporary: string; readonly from: bigint },
): Promise<void> {
  const { slot, publication, owner } = access;
  const from = formatLsn(made.from);
  const { rows } = await client.query<{ system: string }>(
    'SELECT system_identifier AS system FROM pg_control_system()',
  );
  const note: SlotNote = { system: rows[0]!.system, from };
  await owner.ownership?.note(slotKey(slot), { ...note });
  // In addition to the state, which may get lost: on the publication that exists already.
  const there = await readDefinition(client, publication);
  if (there !== null && isOurPublication(there, publication, owner)) {
    await changePrimary(access, null, (primary) => markPublication(primary, publication, owner, { slot, from }));
  }
  failpoint('slot-noted');
  try {
    await client.query('SELECT pg_copy_logical_replication_slot($1, $2, false)', [made.temporary, slot]);
  } catch (error) {
    if ((error as { code?: string }).code !== '42704') throw error;
    // A temporary slot is dropped with its session.
    const where = { connection: access.name, object: `slot ${slot}` };
    throw connectionError('PGS2005', 'the session that made the slot was cut', { where });
  }
  failpoint('slot-made');
}

/**
 * Drops the slot if it exists and is provably ours. A walsender of ours that still reads it (of a killed process whose
 * connection the server still considers open) is ended; any other reader is an error. Returns whether there was a slot.
 */
export async function dropSlot(client: pg.Client, access: SourceAccess, names: Names): Promise<boolean> {
  for (let tries = 0; ; tries++) {
    const proof = await proveSlot(client, access.owner, names);
    if (proof === null) return tries > 0;
    if (!proof.ours) return false;
    if (proof.activePid !== null) {
      if (proof.reader !== access.application || tries > 50) {
        throw sourceError('PGS2115', `replication slot "${names.slot}" is read by pid ${proof.activePid}`, {
          where: { connection: access.name, object: `slot ${names.slot}` },
        });
      }
      await client.query('SELECT pg_terminate_backend($1)', [proof.activePid]);
      await new Promise((resolve) => setTimeout(resolve, 100));
      continue;
    }
    try {
      await client.query('SELECT pg_drop_replication_slot($1)', [names.slot]);
      return true;
    } catch (error) {
      // 55006: taken between our look and the drop; 42704: dropped meanwhile.
      const state = error instanceof pg.DatabaseError ? error.code : '';
      if (state === '42704') return true;
      if (state !== '55006') throw error;
    }
  }
}
