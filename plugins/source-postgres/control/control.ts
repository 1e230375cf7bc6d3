import type pg from 'pg';
import type { PublicationControl, SlotControl, SourceControl } from '../../../core/api/source-control.ts';
import type { Source } from '../../../core/api/source.ts';
import { PgsluiceError } from '../../../core/base/error.ts';
import { type HandoffLsn, parseLsn } from '../../../core/postgres/lsn.ts';
import { continues } from '../lineage.ts';
import { changePrimary, primaryOf } from '../primary.ts';
import { cleanSource, foreignObjects } from '../ownership/cleanup.ts';
import { readDefinition } from '../publication/definition.ts';
import { noteOf } from '../publication/differences.ts';
import { publish } from '../publication/publish.ts';
import { PublicationWatch } from '../publication/watch.ts';
import { type SourceAccess, ask, withClient } from '../session.ts';
import { createOwnSlot, dropSlot } from '../slot.ts';
import { readWaits } from '../blockers.ts';
import { readIdleSlots, readSlot } from './slot-status.ts';

export interface ControlParts {
  /** `snapshot.mode: never`: the user may have made the slot. */
  readonly given: boolean;
  readonly beside: () => Source;
}

/** Short connections: these calls are rare, and no connection is held between them. */
export function postgresControl(access: SourceAccess, { given, beside }: ControlParts): SourceControl {
  return {
    claim: (ownership) => void (access.owner.ownership = ownership),
    emit: (content, signal) => emit(access, content, signal),
    cleanup: (signal) => onBoth(access, signal, (client, primary) => cleanSource({ client, primary }, access)),
    foreign: (signal) => withClient(access, signal, (client) => foreignObjects(client, access)),
    slot: slotControl(access),
    publication: publicationControl(access, given),
    continues: (question) => continues(access, question),
    beside,
  };
}

export function emit(access: SourceAccess, content: string, signal: AbortSignal): Promise<bigint> {
  return withClient(primaryOf(access), signal, async (client) => {
    await client.query("SELECT pg_logical_emit_message(true, 'pgsluice', $1::text)", [content]);
    // A transaction with an xid and synchronous_commit off is not flushed yet; insert is at or past its commit.
    const { rows } = await client.query<{ at: string }>('SELECT pg_current_wal_insert_lsn() AS at');
    return parseLsn(rows[0]!.at);
  });
}

function slotControl(access: SourceAccess): SlotControl {
  return {
    make: async (signal) => {
      try {
        const made = await createOwnSlot(access, { exportSnapshot: false }, signal);
        await made.close();
        return made.consistentPoint as HandoffLsn;
      } catch (error) {
        if (error instanceof PgsluiceError && error.code === 'PGS2113') return null;
        throw error;
      }
    },
    drop: (signal) => withClient(access, signal, (client) => dropSlot(client, access, access)),
    status: (signal) => ask(access, signal, (client) => readSlot(client, access.slot, access.application)),
    waits: (signal) => ask(access, signal, (client) => readWaits(client, access.application)),
    idle: (signal) => ask(access, signal, readIdleSlots),
  };
}

function publicationControl(access: SourceAccess, given: boolean): PublicationControl {
  const primary = primaryOf(access);
  const watch = new PublicationWatch(access);
  return {
    publish: (tables, signal) => changePrimary(access, signal, (client) => publish(client, access, tables, given)),
    read: (signal) =>
      ask(primary, signal, async (client) => {
        const found = await readDefinition(client, access.publication);
        return found === null ? null : noteOf(found);
      }),
    watch: (noted, added, signal) => ask(primary, signal, (client) => watch.look(client, noted, added)),
  };
}

/** A session on the source, and one on its primary if that is another server. */
function onBoth<T>(
  access: SourceAccess,
  signal: AbortSignal,
  work: (client: pg.Client, primary: pg.Client) => Promise<T>,
): Promise<T> {
  const primary = primaryOf(access);
  return withClient(access, signal, (client) =>
    primary === access ? work(client, client) : withClient(primary, signal, (other) => work(client, other)),
  );
}
