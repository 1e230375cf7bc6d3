import assert from 'node:assert/strict';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { test } from 'node:test';
import type { StreamBatch } from '../../core/api/change.ts';
import { PgsluiceError } from '../../core/base/error.ts';
import type { CommitLsn } from '../../core/postgres/lsn.ts';
import type { ChangeStream } from '../../core/api/source.ts';
import { ownServer, server } from '../support/servers.ts';
import { Reader, readAll, type StreamSource, streamSource } from '../support/stream-source.ts';

const backoff =
  (...codes: string[]) =>
  (error: unknown) =>
    error instanceof PgsluiceError && error.retry === 'backoff' && codes.includes(error.code);

/** Opens as soon as the server has noticed that the last connection is gone. */
async function reopen(source: StreamSource, from: bigint, until: bigint) {
  for (let tries = 0; ; tries++) {
    try {
      return await source.open({ from, until, batchBytes: 2000, bufferBytes: 20_000 });
    } catch (error) {
      if (tries > 200 || !(error instanceof PgsluiceError) || error.retry !== 'backoff') throw error;
    }
  }
}

test('walsender killed again and again while a backlog is read: every row once, in order', async () => {
  const source = await streamSource(await server(17), 'CREATE TABLE t (id int)');
  await source.db.query('DO $$ BEGIN FOR i IN 1..2000 LOOP INSERT INTO t VALUES (i); COMMIT; END LOOP; END $$');
  const until = await source.position();
  const ids: number[] = [];
  let from: bigint = source.from;
  let killed = 0;
  let broken = 0;
  const take = (batch: StreamBatch) => {
    for (const change of batch.changes) if (change.kind === 'insert') ids.push(Number(change.after[0]));
    from = batch.boundary ?? from;
  };
  const kill = () =>
    source.db.query(
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${source.db.name}'`,
    );
  /** True at the end of the stream, false when it broke. */
  const readOn = async (stream: ChangeStream): Promise<boolean> => {
    const reader = new Reader(stream);
    for (let batch = await reader.batch(); batch !== null; batch = await reader.batch()) {
      take(batch);
      stream.confirm(from as CommitLsn);
      if (killed < 5 && ids.length > killed * 100) {
        killed++;
        await kill();
      }
    }
    return true;
  };
  for (let done = false; !done; ) {
    await using stream = await reopen(source, from, until);
    done = await readOn(stream).catch((error: unknown) => {
      assert.ok(backoff('PGS2005', 'PGS2159')(error), String(error));
      broken++;
      return false;
    });
  }
  assert.ok(broken > 0, `${killed} killed, ${broken} noticed`);
  assert.deepEqual(
    ids,
    Array.from({ length: 2000 }, (_, i) => i + 1),
  );
});

for (const mode of ['fast', 'immediate'] as const) {
  test(`server restarted (${mode}) under the stream: a clean error, and the rest comes after it`, async () => {
    const own = await ownServer(17);
    const source = await streamSource(own, 'CREATE TABLE t (id int)');
    await source.db.query('INSERT INTO t VALUES (1)');
    let from: CommitLsn;
    {
      await using stream = await source.open();
      const reader = new Reader(stream);
      from = (await reader.batch())?.boundary as CommitLsn;
      stream.confirm(from);
      await stream.flushConfirmed();
      const reading = assert.rejects(reader.batch(), backoff('PGS2005', 'PGS2008', 'PGS2159'));
      await own.restart(mode);
      await reading;
      await assert.rejects(stream.flushConfirmed(), backoff('PGS2005', 'PGS2008', 'PGS2159'));
    }
    await source.db.query('INSERT INTO t VALUES (2)');
    const rest = await readAll(source, { from });
    assert.deepEqual(
      rest.map((change) => change.kind === 'insert' && change.after[0]),
      ['2'],
    );
  });
}

test('WAL removed under an idle slot: refused for good', async () => {
  const own = await ownServer(17, { max_slot_wal_keep_size: '1MB', min_wal_size: '32MB', max_wal_size: '32MB' });
  const source = await streamSource(own, 'CREATE TABLE t (id int)');
  for (let i = 0; i < 4; i++) await own.query('SELECT pg_switch_wal(); CHECKPOINT; CREATE TEMP TABLE x (a int)');
  await assert.rejects(
    source.open(),
    (error) => error instanceof PgsluiceError && error.code === 'PGS2154' && error.retry === 'never',
  );
});

test('a server that is gone: unreachable, worth trying again', async () => {
  const own = await ownServer(17);
  const source = await streamSource(own, 'CREATE TABLE t (id int)');
  await own.stop('immediate');
  await assert.rejects(source.open(), backoff('PGS2001', 'PGS2005'));
  await own.startAgain();
});

test('a network that swallows everything: noticed by silence, not waited for', async () => {
  const on = await server(17);
  const source = await streamSource(on, 'CREATE TABLE t (id int)');
  const target = new URL(source.db.url);
  const port = Number(target.port);
  let mute = false;
  const sockets = new Set<Socket>();
  const proxy = createServer((client) => {
    const upstream = connect(port, target.hostname);
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(from);
      from.on('data', (bytes: Buffer) => {
        if (!mute) to.write(bytes);
      });
      from.on('error', () => to.destroy());
      from.on('close', () => to.destroy());
    }
  });
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  try {
    target.port = String((proxy.address() as AddressInfo).port);
    const input = { connection: { url: target.href }, statusInterval: 50, silence: 800 };
    await using stream = await source.open(input);
    const reading = new Reader(stream).batch();
    mute = true;
    await assert.rejects(reading, backoff('PGS2158'));
  } finally {
    for (const socket of sockets) socket.destroy();
    proxy.close();
  }
});
