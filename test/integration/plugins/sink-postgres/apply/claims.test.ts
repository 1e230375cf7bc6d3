import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LogStep } from '../../../../../core/api/logs.ts';
import { isPgsluiceError } from '../../../../../core/registry/call.ts';
import { SessionStream } from '../../../../../plugins/sink-postgres/apply/stream-sink.ts';
import { contextFor, Feed, never, relationOf, textRows } from '../../../../support/apply.ts';
import { database, server } from '../../../../support/servers.ts';

const on = await server(17);

async function setUp() {
  const { url } = await database(on);
  const sink = () => {
    const of = { connection: { url }, pipeline: 'p', name: 'postgres', options: { onMissing: 'error' as const } };
    return new SessionStream({ ...of, context: contextFor(), shared: true });
  };
  await textRows(url, 'CREATE TABLE public.t (v text)');
  const relation = await relationOf(url, 'public', 't');
  const feed = new Feed();
  const rows = async () => (await textRows(url, 'SELECT v FROM t ORDER BY v')).flat();
  const stands = async () => await textRows(url, 'SELECT log, next FROM pgsluice.log ORDER BY log');
  const batch = (values: readonly string[], logs: readonly LogStep[], open = false) => ({
    ...feed.batch(
      values.map((v) => feed.insert(relation, [v])),
      open,
    ),
    logs,
  });
  return { sink, batch, rows, stands };
}

const step = (log: string, claim: bigint, from: bigint, next: bigint): LogStep => ({ log, claim, from, next });
const lost = (error: unknown) => isPgsluiceError(error) && error.code === 'PGS3215' && error.retry === 'backoff';
const logs = (...names: string[]) => new Map(names.map((name) => [name, `id of ${name}`]));

test('rows and the steps of their logs are committed together, by whoever claimed the logs last', async () => {
  const { sink, batch, rows, stands } = await setUp();
  await using one = sink();
  await using other = sink();
  assert.equal(await one.resume(never), null);
  assert.equal(await other.resume(never), null);
  const first = await one.claim(logs('a-0', 'a-1'), never);
  assert.deepEqual(first.get('a-0'), { of: 'id of a-0', claim: 1n, next: null });
  await one.write(batch(['1'], [step('a-0', 1n, 7n, 9n), step('a-1', 1n, 0n, 3n)]), never);
  const second = await other.claim(logs('a-0'), never);
  assert.deepEqual(second.get('a-0'), { of: 'id of a-0', claim: 2n, next: 9n });
  // One of its two logs is gone: nothing of the batch is written.
  await assert.rejects(one.write(batch(['no'], [step('a-1', 1n, 3n, 4n), step('a-0', 1n, 9n, 10n)]), never), lost);
  await other.write(batch(['2'], [step('a-0', 2n, 9n, 12n)]), never);
  await assert.rejects(other.write(batch(['no'], [step('a-0', 2n, 11n, 13n)]), never), lost);
  await one.resume(never);
  await one.write(batch(['3'], [step('a-1', 1n, 3n, 5n)]), never);
  assert.deepEqual(await rows(), ['1', '2', '3']);
  assert.deepEqual(await stands(), [
    ['a-0', '12'],
    ['a-1', '5'],
  ]);
  const again = await one.claim(new Map([['a-1', 'another']]), never);
  assert.deepEqual(again.get('a-1'), { of: 'id of a-1', claim: 2n, next: 5n });
});

test('a claim waits for the transaction in hand, and one that comes later takes nothing back', async () => {
  const { sink, batch, rows, stands } = await setUp();
  await using one = sink();
  await using other = sink();
  await one.resume(never);
  await other.resume(never);
  await one.claim(logs('a'), never);
  await one.write(batch(['part'], [step('a', 1n, 0n, 5n)], true), never);
  await other.claim(logs('a'), never);
  // It ends only now, when the log is another's.
  await assert.rejects(one.write(batch(['end'], [step('a', 1n, 0n, 5n)]), never), lost);
  await other.write(batch(['part', 'end'], [step('a', 2n, 0n, 5n)]), never);
  assert.deepEqual(await rows(), ['end', 'part']);
  assert.deepEqual(await stands(), [['a', '5']]);
});

test('steps without changes wait for the next write or flush, and are not lost', async () => {
  const { sink, batch, rows, stands } = await setUp();
  await using one = sink();
  await one.resume(never);
  await one.claim(logs('a', 'b'), never);
  await one.write(batch([], [step('a', 1n, 0n, 2n)]), never);
  await one.write(batch([], [step('a', 1n, 2n, 3n)]), never);
  await one.write(batch([], [step('b', 1n, 0n, 4n)]), never);
  await one.write(batch(['1'], [step('a', 1n, 3n, 8n)]), never);
  assert.deepEqual(await stands(), [
    ['a', '8'],
    ['b', '4'],
  ]);
  await one.write(batch([], [step('a', 1n, 8n, 9n)]), never);
  await one.flush(never);
  assert.deepEqual((await stands())[0], ['a', '9']);
  assert.deepEqual(await rows(), ['1']);
});
