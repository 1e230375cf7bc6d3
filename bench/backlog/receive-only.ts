/**
 * Receives and decodes the backlog of a slot and does nothing with it: `node receive-only.ts URL SLOT PUBLICATION UNTIL`.
 * A process of its own, as cold as the run that it is compared with. Prints one line of JSON.
 */
import pg from 'pg';
import { parseLsn, type ResumePoint } from '../../core/postgres/lsn.ts';
import { openStream } from '../../plugins/source-postgres/stream/open.ts';
import { describeBare, silent } from '../../test/support/stream-source.ts';

const [url, slot, publication, until] = process.argv.slice(2) as [string, string, string, string];
const client = new pg.Client({ connectionString: url });
await client.connect();
const { rows } = await client.query<Record<'lsn' | 'id' | 'timeline' | 'database', string>>(
  `SELECT confirmed_flush_lsn::text AS lsn, system_identifier::text AS id, current_database() AS database,
    (SELECT timeline_id FROM pg_control_checkpoint())::text AS timeline
   FROM pg_replication_slots, pg_control_system() WHERE slot_name = $1`,
  [slot],
);
await client.end();
const at = rows[0]!;
const identity = { systemId: at.id, timeline: Number(at.timeline), database: at.database, version: 0 };
const begun = performance.now();
await using stream = await openStream(
  {
    connection: { url },
    name: 'receive',
    slot,
    publications: [publication],
    start: {
      from: parseLsn(at.lsn) as ResumePoint,
      identity,
      until: parseLsn(until),
      acknowledged: null,
      binary: true,
    },
    describe: describeBare,
    batchBytes: 8 << 20,
    bufferBytes: 32 << 20,
    statusInterval: 10_000,
    ...silent,
  },
  new AbortController().signal,
);
let changes = 0;
for await (const item of stream) {
  if (item.kind !== 'batch') continue;
  changes += item.batch.changes.length;
  if (item.batch.boundary !== null) stream.confirm(item.batch.boundary);
}
process.stdout.write(`${JSON.stringify({ stream: (performance.now() - begun) / 1000, changes })}\n`);
