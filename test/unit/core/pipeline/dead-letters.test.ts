import assert from 'node:assert/strict';
import { appendFile, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { Change, RowChange } from '../../../../core/api/change.ts';
import { UNCHANGED } from '../../../../core/postgres/tuple.ts';
import type { DeadLetter, DeadLetterStore, Refused } from '../../../../core/api/dead-letter.ts';
import { PipelineDeadLetters } from '../../../../core/pipeline/dead-letters/dead-letters.ts';
import { FileStore } from '../../../../core/pipeline/dead-letters/file-store.ts';
import { letterOf } from '../../../../core/pipeline/dead-letters/letter.ts';
import { Threshold } from '../../../../core/pipeline/dead-letters/threshold.ts';
import { kafkaError } from '../../../../plugins/sink-kafka/errors.ts';
import { context, insert, notes, transaction } from '../../../support/kafka-batches.ts';

const folder = await mkdtemp(join(tmpdir(), 'pgsluice-letters-'));
after(() => rm(folder, { recursive: true }));
const table = notes();
const error = kafkaError('PGS5010', 'too large', { where: { table: 'public.notes', sqlstate: '22001' } });
const tx = transaction(1);
const refused = (change: Change): Refused => ({ change: change as RowChange, error });
const letter = (n: number): DeadLetter => ({ sink: 's', table: 't', code: 'PGS1', json: `{"n":${n}}` });

function lettersIn(config: { file?: string; maxFailures: number; window: number }, store?: DeadLetterStore) {
  const { maxFailures, window } = config;
  const topic = async () => store ?? assert.fail('no topic was asked for');
  const where = { file: config.file ?? null, topic: config.file === undefined ? 'dead' : null };
  const { log } = context('p');
  return new PipelineDeadLetters({ pipeline: 'p', config: { ...where, maxFailures, window }, log, topic });
}

test('the threshold: more than n of the last m', () => {
  const threshold = new Threshold({ maxFailures: 2, window: 10 });
  assert.deepEqual([threshold.fail(), threshold.fail(), threshold.fail()], [true, true, false]);
  threshold.passed(9);
  assert.equal(threshold.fail(), true, 'the first ones are behind the window');
  const none = new Threshold({ maxFailures: 1, window: 1 });
  for (let n = 0; n < 5; n++) assert.equal(none.fail(), true, 'one of the last one is never more than one');
});

test('a letter holds what is needed to do the change again, and nothing that was not sent', () => {
  const at = new Date(0);
  const sender = { pipeline: 'shop', sink: 'warehouse', at };
  const of = (change: Change, record?: Refused['record']) =>
    JSON.parse(letterOf({ ...refused(change), ...(record && { record }) }, sender).json) as Record<string, unknown>;
  assert.deepEqual(of(insert(table, tx, ['9007199254740993', null])), {
    pipeline: 'shop',
    sink: 'warehouse',
    at: '1970-01-01T00:00:00.000Z',
    code: 'PGS5010',
    sqlstate: '22001',
    message: 'too large',
    op: 'insert',
    schema: 'public',
    table: 'notes',
    key: ['id'],
    lsn: '0/10F0',
    commit_lsn: '0/1100',
    xid: 701,
    commit_time: '2026-01-02T03:04:05.123Z',
    before: null,
    after: { id: '9007199254740993', note: null },
  });
  const before = { image: 'key', tuple: ['1', null] } as const;
  const moved = of({ kind: 'update', relation: table, tx, lsn: 1n, before, after: ['2', UNCHANGED] });
  assert.deepEqual([moved['before'], moved['after'], moved['unchanged']], [{ id: '1' }, { id: '2' }, ['note']]);
  const gone = of({ kind: 'delete', relation: table, tx, lsn: 1n, before }, [{ topic: 'a' }]);
  assert.deepEqual([gone['before'], gone['after'], gone['record']], [{ id: '1' }, null, [{ topic: 'a' }]]);
  const read = letterOf({ change: { kind: 'read', relation: table, after: ['1', 'a'] }, error }, sender);
  const row = JSON.parse(read.json) as Record<string, unknown>;
  assert.deepEqual([row['op'], row['lsn'], row['after']], ['read', undefined, { id: '1', note: 'a' }]);
  assert.deepEqual([read.sink, read.table, read.code], ['warehouse', 'public.notes', 'PGS5010']);
});

test('the file: lines, of the owner only, and a line that a crash cut off does not swallow the next', async () => {
  const path = join(folder, 'dead.jsonl');
  const store = new FileStore(path);
  await store.write([letter(1), letter(2)]);
  await store.write([letter(3)]);
  await store[Symbol.asyncDispose]();
  assert.equal((await stat(path)).mode & 0o777, 0o600);
  await appendFile(path, '{"n":');
  const again = new FileStore(path);
  await again.write([letter(4)]);
  await again[Symbol.asyncDispose]();
  assert.equal(await readFile(path, 'utf8'), '{"n":1}\n{"n":2}\n{"n":3}\n{"n":\n{"n":4}\n');
});

test('refuse resolves when the letters are recorded, counts them, and records none above the threshold', async () => {
  const file = join(folder, 'counted.jsonl');
  const counts: [string, number][] = [];
  await using letters = lettersIn({ file, maxFailures: 2, window: 100 });
  letters.onRecorded = (sink, count) => counts.push([sink, count]);
  const one = letters.of('one');
  await one.refuse([refused(insert(table, tx, ['1', 'a'])), refused(insert(table, tx, ['2', 'b']))]);
  assert.equal((await readFile(file, 'utf8')).split('\n').length, 3);
  await letters.of('other').refuse([refused(insert(table, tx, ['3', 'c']))]);
  await assert.rejects(one.refuse([refused(insert(table, tx, ['4', 'd']))]), (thrown: typeof error) => {
    assert.equal(thrown.code, 'PGS6040');
    assert.match(
      thrown.message,
      /^more than 2 of the last 100 changes of sink one failed; the last: PGS5010 too large$/,
    );
    assert.deepEqual([thrown.where.table, thrown.where.lsn], ['public.notes', '0/10F0']);
    return true;
  });
  assert.equal((await readFile(file, 'utf8')).split('\n').length, 4);
  assert.deepEqual(counts, [
    ['one', 2],
    ['other', 1],
  ]);
});

test('letters that cannot be recorded are an error, and the store is opened again for the next', async () => {
  await using nowhere = lettersIn({ file: join(folder, 'no', 'such', 'folder'), maxFailures: 9, window: 9 });
  const change = refused(insert(table, tx, ['1', 'a']));
  await assert.rejects(nowhere.of('s').refuse([change]), { code: 'PGS6041', retry: 'never' });

  let closed = 0;
  const written: string[] = [];
  const store: DeadLetterStore = {
    write: async (all) => {
      if (closed === 0) throw new Error('away');
      written.push(...all.map(({ json }) => json));
    },
    [Symbol.asyncDispose]: async () => void closed++,
  };
  await using topic = lettersIn({ maxFailures: 9, window: 9 }, store);
  await assert.rejects(topic.of('s').refuse([change]), { code: 'PGS6041' });
  assert.equal(closed, 1);
  await topic.of('s').refuse([change]);
  assert.equal(written.length, 1);
});
