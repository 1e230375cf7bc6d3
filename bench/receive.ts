/**
 * How fast a backlog is received and decoded, without applying it: the limit that the source's walsender sets for any
 * catch-up. `node bench/receive.ts [runs] [major]`. The same backlog is read through copies of one slot, in turn with
 * pg_recvlogical (which decodes nothing) when that is on PATH.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { LocalServer } from '../core/servers/local-server.ts';
import type { ResumePoint } from '../core/postgres/lsn.ts';
import { formatLsn, parseLsn } from '../core/postgres/lsn.ts';
import { openStream } from '../plugins/source-postgres/stream/open.ts';
import { describeBare, silent } from '../test/support/stream-source.ts';

const runs = Number(process.argv[2] ?? 5);
const major = Number(process.argv[3] ?? 17);
const transactions = 3000;

/** pgbench's tables, 100 changes per transaction: 50 inserts of history, 50 updates of accounts. */
const schema = `
  CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
  CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
  INSERT INTO accounts SELECT i, 1, 0, '' FROM generate_series(1, 50000) i;
  CREATE PUBLICATION bench FOR ALL TABLES;
  SELECT pg_create_logical_replication_slot('bench', 'pgoutput')`;
const backlog = `DO $$ BEGIN FOR i IN 1..${transactions} LOOP
    FOR j IN 1..50 LOOP
      UPDATE accounts SET abalance = abalance + j WHERE aid = (i * 977 + j * 131) % 50000 + 1;
      INSERT INTO history VALUES (i, 1, j, j, now(), NULL);
    END LOOP; COMMIT; END LOOP; END $$`;

interface Result {
  readonly seconds: number;
  readonly cpu: number;
  readonly changes: number;
}

async function receive(server: LocalServer, slot: string, until: bigint): Promise<Result> {
  const [at] = await server.query<Record<string, string>>(
    `SELECT confirmed_flush_lsn::text AS lsn, system_identifier::text AS id, current_setting('server_version_num') AS version,
            (SELECT timeline_id FROM pg_control_checkpoint())::text AS timeline
       FROM pg_replication_slots, pg_control_system() WHERE slot_name = '${slot}'`,
  );
  const identity = { systemId: at?.['id'] ?? '', timeline: Number(at?.['timeline']), database: 'postgres', version: 0 };
  const cpu = process.cpuUsage();
  const begun = performance.now();
  await using stream = await openStream(
    {
      connection: { url: server.url() },
      name: 'bench',
      slot,
      publications: ['bench'],
      start: { from: parseLsn(at?.['lsn'] ?? '') as ResumePoint, identity, until, acknowledged: null },
      describe: describeBare,
      batchBytes: 4 << 20,
      bufferBytes: 16 << 20,
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
  const used = process.cpuUsage(cpu);
  return { seconds: (performance.now() - begun) / 1000, cpu: (used.user + used.system) / 1e6, changes };
}

/** Null when pg_recvlogical is not there. */
async function recvlogical(server: LocalServer, slot: string, until: bigint): Promise<Result | null> {
  const begun = performance.now();
  const options = ['proto_version=2', 'publication_names=bench', 'messages=true'].flatMap((option) => ['-o', option]);
  const child = spawn(
    'pg_recvlogical',
    ['-d', server.url(), '-S', slot, '--start', '-E', formatLsn(until), '-f', '/dev/null', '-F', '0', ...options],
    { stdio: 'ignore' },
  );
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    if (code !== 0) return null;
  } catch {
    return null;
  }
  return { seconds: (performance.now() - begun) / 1000, cpu: Number.NaN, changes: transactions * 100 };
}

const line = (name: string, result: Result) => {
  const rate = Math.round(result.changes / result.seconds / 1000);
  const per = (result.cpu / result.changes) * 300_000;
  const cpu = Number.isNaN(per) ? '' : `  Node CPU ${per.toFixed(2)} s per 300k changes`;
  console.log(`${name.padEnd(16)} ${result.seconds.toFixed(2)} s  ${rate}k changes/s${cpu}`);
};

await using server = await LocalServer.start({ major });
for (const statement of schema.split(';')) await server.query(statement);
await server.query(backlog);
await server.query('CHECKPOINT');
const [end] = await server.query<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
const until = parseLsn(end?.lsn ?? '');
for (let run = 0; run < runs; run++) {
  for (const [name, way] of Object.entries({ pgsluice: receive, pg_recvlogical: recvlogical })) {
    const slot = `copy_${run}_${name}`;
    await server.query(`SELECT pg_copy_logical_replication_slot('bench', '${slot}')`);
    const result = await way(server, slot, until);
    if (result !== null) line(name, result);
    await server.query(`SELECT pg_drop_replication_slot('${slot}')`);
  }
}
