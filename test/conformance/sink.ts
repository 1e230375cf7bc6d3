import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Cell, UNCHANGED } from '../../core/postgres/tuple.ts';
import type { SnapshotLsn } from '../../core/postgres/lsn.ts';
import type { SinkPlugin } from '../../core/api/plugin.ts';
import type { Relation } from '../../core/postgres/relation.ts';
import type { Sink } from '../../core/api/sink.ts';
import { type Given, withDefaults } from '../../core/base/options.ts';
import { checked } from '../../core/registry/registry.ts';
import { conformanceContext, rowCopy, samplePlan, sampleRelation, SampleStream } from './fixtures.ts';

/** A place for the sink to write to, and how to look at what is there. */
export interface SinkSubject<O> {
  readonly options: Given<O>;
  /** Schema and name of the table `id integer primary key, name text, note text` that the suite writes. */
  readonly schema: string;
  readonly table: string;
  /**
   * The table's rows as [id, name, note], in any order, as someone who reads the target sees them now. A log (a file, a
   * queue) replays its records to get there.
   */
  readonly read: () => Promise<readonly (readonly Cell[])[]>;
}

export interface SinkConformanceOptions<O> {
  /** A place that is empty but for the table. */
  readonly subject: SinkSubject<O>;
  readonly directory?: string;
  /** Changes inside an open transaction cannot be seen by readers. Default true; a log without transactions says false. */
  readonly transactional?: boolean;
}

const never = new AbortController().signal;

/** Registers the tests that every sink plugin has to pass; they build on each other and run in order. */
export function sinkConformance<O>(plugin: SinkPlugin<O>, how: SinkConformanceOptions<O>): void {
  const name = `sink ${plugin.name}`;
  const { subject } = how;
  const relation = sampleRelation(subject.schema, subject.table);
  const stream = new SampleStream(relation);
  const create = (): Promise<Sink> =>
    plugin.create(
      withDefaults<O>(plugin.options, subject.options as object),
      conformanceContext(plugin.name, how.directory ?? process.cwd()),
    );
  const rows = async () =>
    (await subject.read()).map((row) => [...row]).toSorted((a, b) => Number(a[0]) - Number(b[0]));

  test(`${name}: is a plugin with a strict options schema`, () => {
    assert.equal(checked(plugin, 'sink', plugin.name), plugin);
    assert.notEqual(plugin.summary, '');
  });

  test(`${name}: copies chunks of rows, and says how many`, async () => {
    await using sink = await create();
    await copy(sink, relation, never);
    assert.deepEqual(await rows(), [
      ['1', 'one', 'a\tb\\c\n'],
      ['2', null, ''],
      ['3', 'three', 'ü – 漢'],
    ]);
  });

  test(`${name}: a chunk whose source breaks throws, and the copy can be begun again without doubling`, async () => {
    await using sink = await create();
    const plan = samplePlan(relation);
    await prepare(sink, relation, never);
    await sink.snapshot.begin?.(plan, 1, never);
    const broken = rowCopy(relation, 0, []);
    const rowsThenError = (async function* () {
      yield await Promise.resolve([['9', 'never', 'there']]);
      throw new Error('the source broke');
    })();
    await assert.rejects(sink.snapshot.load(plan, { ...broken, rows: rowsThenError }, never));
    await copy(sink, relation, never);
    assert.deepEqual(
      (await rows()).map((row) => row[0]),
      ['1', '2', '3'],
    );
  });

  test(`${name}: applies changes in order; a value that was not sent stays what it was (I7)`, async () => {
    await using sink = await create();
    assert.equal(await sink.stream.resume(never), null);
    const tx = stream.begin();
    const batch = stream.batch(tx, [
      stream.insert(tx, ['4', 'four', 'long']),
      stream.update(tx, ['4', 'FOUR', UNCHANGED]),
      stream.update(tx, ['1', null, UNCHANGED]),
      stream.delete(tx, '2'),
    ]);
    const receipt = await sink.stream.write(batch, never);
    if (receipt.status === 'durable') assert.ok(receipt.upTo <= batch.boundary!);
    assert.equal(await sink.stream.flush(never), batch.boundary);
    assert.deepEqual(await rows(), [
      ['1', null, 'a\tb\\c\n'],
      ['3', 'three', 'ü – 漢'],
      ['4', 'FOUR', 'long'],
    ]);
  });

  test(`${name}: a sink that keeps its position knows it in a new process`, async () => {
    await using sink = await create();
    const traits = (await sink.traits?.(never)) ?? {};
    const position = await sink.stream.resume(never);
    if (traits.keepsPosition === true) assert.ok(position !== null && position > 0n);
    else assert.equal(position, null);
  });

  test(`${name}: half a transaction is never durable, and is gone after a restart`, async () => {
    const tx = stream.begin();
    {
      await using sink = await create();
      await sink.stream.resume(never);
      const half = stream.batch(tx, [stream.insert(tx, ['5', 'half', null])], true);
      const receipt = await sink.stream.write(half, never);
      // What was durable before may be told again, but nothing of this transaction.
      if (receipt.status === 'durable') assert.ok(receipt.upTo < tx.finalLsn);
      const flushed = await sink.stream.flush(never);
      assert.ok(flushed === null || flushed < tx.finalLsn);
      if (how.transactional !== false) assert.equal((await rows()).length, 3);
    }
    await using again = await create();
    await again.stream.resume(never);
    assert.equal((await rows()).length, 3);
    const whole = stream.batch(tx, [stream.insert(tx, ['5', 'whole', null])]);
    await again.stream.write(whole, never);
    assert.equal(await again.stream.flush(never), whole.boundary);
    assert.deepEqual((await rows()).at(-1), ['5', 'whole', null]);
  });

  test(`${name}: truncate empties the table, and what follows is in it`, async () => {
    await using sink = await create();
    await sink.stream.resume(never);
    const tx = stream.begin();
    await sink.stream.write(stream.batch(tx, [stream.truncate(tx), stream.insert(tx, ['7', 'seven', null])]), never);
    await sink.stream.flush(never);
    assert.deepEqual(await rows(), [['7', 'seven', null]]);
  });

  test(`${name}: cleanup removes its state, not the data, and may be repeated`, async () => {
    await using sink = await create();
    await sink.cleanup?.();
    await sink.cleanup?.();
    assert.deepEqual(await rows(), [['7', 'seven', null]]);
    assert.equal(await sink.stream.resume(never), null);
  });
}

async function prepare(sink: Sink, relation: Relation, signal: AbortSignal): Promise<void> {
  const plans = [samplePlan(relation)];
  const dumpSchema = () => Promise.resolve({ objects: [], by: 'the conformance suite' });
  await sink.snapshot.prepare?.({ plans, excluded: [], dumpSchema, sourceVersion: 170_000 }, signal);
}

async function copy(sink: Sink, relation: Relation, signal: AbortSignal): Promise<void> {
  const plan = samplePlan(relation);
  await prepare(sink, relation, signal);
  await sink.snapshot.begin?.(plan, 2, signal);
  const first = await sink.snapshot.load(
    plan,
    rowCopy(relation, 0, [
      ['1', 'one', 'a\tb\\c\n'],
      ['2', null, ''],
    ]),
    signal,
  );
  const second = await sink.snapshot.load(plan, rowCopy(relation, 1, [['3', 'three', 'ü – 漢']]), signal);
  assert.deepEqual([first.rows, second.rows], [2n, 1n]);
  await sink.snapshot.loaded(plan, signal);
  await sink.snapshot.finishTable?.(plan, 0x900n as SnapshotLsn, signal);
  await sink.snapshot.finish?.([plan], signal);
}
