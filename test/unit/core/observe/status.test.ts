import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckpointStore, Json } from '../../../../core/api/checkpoint.ts';
import type { CommitLsn, HandoffLsn, SnapshotLsn } from '../../../../core/postgres/lsn.ts';
import type { SlotStatus } from '../../../../core/api/source-control.ts';
import { printStatus } from '../../../../core/observe/print-status.ts';
import { RunView } from '../../../../core/pipeline/progress/run-view.ts';
import { statusRecord } from '../../../../core/pipeline/progress/status-record.ts';
import { type ReportInput, type StatusReport, statusReport } from '../../../../core/observe/status-report.ts';
import { type Phase, PipelineState } from '../../../../core/pipeline/state/pipeline-state.ts';
import { RunState } from '../../../../core/pipeline/state/run-state.ts';

const now = 1_800_000_000_000;
const store: CheckpointStore = {
  lock: async () => {},
  load: async () => new Map(),
  save: async () => {},
  remove: async () => {},
  [Symbol.asyncDispose]: async () => {},
};
const slot: SlotStatus = {
  name: 'pgsluice_shop',
  active: false,
  confirmed: 0x1000n,
  current: 0x1000n,
  retainedBytes: 2048,
  walStatus: 'reserved',
  safeBytes: null,
};

async function inPhase(phase: Phase | null, tables: readonly string[] = []): Promise<PipelineState> {
  const state = await PipelineState.load(store);
  const identity = { systemId: '1', timeline: 1, database: 'd', version: 170000 };
  if (phase !== null) await state.setHead({ phase, identity, handoff: 1n as HandoffLsn });
  if (tables.length > 0) await state.put('tables', tables);
  return state;
}

function report(state: PipelineState, more: Partial<ReportInput> = {}): StatusReport {
  const sinks = [{ name: 'postgres', tables: null }];
  const host = { host: 'here', alive: () => true };
  return statusReport({
    pipeline: 'shop',
    copyOnly: false,
    state,
    slot,
    waits: [],
    sourceError: null,
    uncovered: null,
    sinks,
    workers: [],
    now,
    ...host,
    ...more,
  });
}

/** What a run in this phase noted `age` milliseconds ago. */
async function noted(state: PipelineState, view: RunView, age: number, more: { [key: string]: Json } = {}) {
  await state.put('status', { ...statusRecord(view, now - age), pid: 7, host: 'here', ...more });
}

test('a pipeline that was never started says how to begin', async () => {
  const made = report(await inPhase(null), { slot: null });
  assert.deepEqual([made.phase, made.running, made.tables], ['not started', false, []]);
  assert.match(
    printStatus(made, now),
    /^pipeline shop: not started; begin with pgsluice run\nslot: none on the source\n/,
  );
});

test('during the copy each table stands where it is: from the checkpoint, from the run, or still to come', async () => {
  const state = await inPhase('snapshot', ['public.a', 'public.b', 'public.c', 'public.d']);
  const done = { exactAt: 5n as SnapshotLsn, rows: 10n, bytes: 100 };
  await state.setTable('postgres', 'public.a', { state: 'finished', ...done });
  await state.setTable('postgres', 'public.b', { state: 'copied', ...done });
  const view = new RunView('shop', new RunState());
  view.run.enter('copy');
  const common = {
    sink: 'postgres',
    estimate: 1000,
    rows: 0n,
    startedAt: 1,
    copiedAt: null,
    finishedAt: null,
    rate: 0,
  };
  view.tables.set('b', { ...common, source: 'public.b', target: 'public.b', phase: 'indexing', bytes: 100 });
  view.tables.set('c', { ...common, source: 'public.c', target: 'public.c', phase: 'copying', bytes: 250 });
  await noted(state, view, 1000);
  const made = report(state);
  assert.deepEqual(
    made.tables.map(({ table, state: at, bytes, estimatedBytes }) => [table, at, bytes, estimatedBytes]),
    [
      ['public.a', 'finished', 100, null],
      ['public.b', 'indexing', 100, 1000],
      ['public.c', 'copying', 250, 1000],
      ['public.d', 'pending', 0, null],
    ],
  );
  assert.deepEqual(made.sinks[0]!.tables, { total: 4, copied: 2, finished: 1, followed: 0 });
  const text = printStatus(made, now);
  assert.match(text, /^pipeline shop: copying\nrun: process 7 on here, noted 1\.0 s ago\n/);
  assert.match(text, /public\.c {2}copying +25 % +250 B of about 1000 B/);
  // The process is gone: what it noted of tables under way is no longer so.
  const later = report(state, { alive: () => false });
  assert.deepEqual(
    later.tables.map((table) => table.state),
    ['finished', 'copied', 'pending', 'pending'],
  );
  assert.match(printStatus(later, now), /copying; nothing runs: go on with pgsluice run/);
});

test('whether a process has the pipeline: its end is noted, it is gone, it is silent, or the slot is in use', async () => {
  const state = await inPhase('stream');
  const view = new RunView('shop', new RunState());
  const running = async (age: number, more: { [key: string]: Json }, input: Partial<ReportInput> = {}) => {
    await noted(state, view, age, more);
    return report(state, input).running;
  };
  assert.equal(await running(1000, {}), true);
  assert.equal(await running(1000, { ended: true }), false);
  assert.equal(await running(1000, {}, { alive: () => false }), false);
  assert.equal(await running(1000, { host: 'there' }, { alive: () => false }), true, 'another machine cannot be asked');
  assert.equal(await running(60_000, { host: 'there' }), false);
  assert.equal(await running(60_000, {}), false, 'another process may have its number by now');
  assert.equal(await running(60_000, {}, { slot: { ...slot, active: true } }), true);
});

test('while a run follows its figures are shown; while nothing runs the distance from the slot, and the time', async () => {
  const state = await inPhase('stream');
  const view = new RunView('shop', new RunState());
  view.run.enter('follow');
  const sink = view.sink('postgres');
  view.run.setDurable(sink.name, 0x1000n);
  sink.waiting = 3;
  sink.commitTime = BigInt(now - 5000 - 2000) * 1000n;
  view.opened(0x1000n);
  view.sawSource(0x2000n);
  view.received(0x2000n, 3);
  await noted(state, view, 5000);
  const busy = report(state, { slot: { ...slot, active: true, current: 0x2000n } });
  assert.deepEqual(
    [busy.sinks[0]!.lagBytes, busy.sinks[0]!.lagSeconds, busy.sinks[0]!.lagTransactions],
    [0x1000, 2, 3],
  );
  assert.match(printStatus(busy, now), /lag 2\.0 s, 4\.0 kB, 3 transactions; durable up to 0\/1000/);
  const resting = report(state, { slot: { ...slot, current: 0x3000n }, alive: () => false });
  assert.deepEqual([resting.sinks[0]!.lagBytes, resting.sinks[0]!.lagSeconds], [0x2000, 7]);
  assert.match(printStatus(resting, now), /copied; nothing runs now: go on with pgsluice run/);
  const level = report(state, { alive: () => false });
  assert.deepEqual([level.sinks[0]!.lagBytes, level.sinks[0]!.lagSeconds], [0, 0]);
});

test('a source that does not answer: said, and the rest is what the checkpoint knows', async () => {
  const state = await inPhase('stream');
  await state.setPosition('postgres', 0x999n as CommitLsn);
  const made = report(state, { slot: null, sourceError: { code: 'PGS2001', message: 'connect refused' } });
  assert.deepEqual([made.sinks[0]!.durable, made.sinks[0]!.lagBytes], ['0/999', null]);
  assert.match(
    printStatus(made, now),
    /source: cannot be asked \(PGS2001 connect refused\); what follows is from the checkpoint/,
  );
});

test('while it follows: tables that came with the stream, that wait, and none that are gone', async () => {
  const state = await inPhase('stream', ['public.a', 'public.new', 'public.again']);
  const done = { exactAt: 5n as SnapshotLsn, rows: 10n, bytes: 100 };
  await state.setTable('postgres', 'public.a', { state: 'finished', ...done });
  await state.setTable('postgres', 'public.dropped', { state: 'finished', ...done });
  await state.put('resync', ['public.again']);
  const made = report(state);
  assert.deepEqual(Object.fromEntries(made.tables.map(({ table, state: at }) => [table, at])), {
    'public.a': 'finished',
    'public.new': 'followed',
    'public.again': 'pending',
  });
  assert.deepEqual(made.sinks[0]!.tables, { total: 3, copied: 1, finished: 1, followed: 1 });
  const text = printStatus(made, now);
  assert.match(text, /1 of 2 tables finished, 1 copied, 1 followed without a copy/);
  assert.match(text, /^ {2}public\.new +followed$/m);
});

test('a way back follows tables that it never copied', async () => {
  const made = report(await inPhase('stream', ['public.a', 'public.b']));
  assert.match(printStatus(made, now), /sink postgres: 2 tables followed, none of them copied by this pipeline$/m);
});

test('the error that ended the last run is told; a sink takes the tables that the file gives it', async () => {
  const state = await inPhase('snapshot', ['public.a', 'audit.b']);
  const view = new RunView('shop', new RunState());
  view.failure = 'PGS3010 row refused (table public.a)';
  view.ended = true;
  await noted(state, view, 60_000);
  const sinks = [
    { name: 'one', tables: ['public.*'] },
    { name: 'two', tables: null },
  ];
  const made = report(state, { sinks });
  assert.deepEqual(
    made.sinks.map(({ tables }) => tables.total),
    [1, 2],
  );
  assert.match(printStatus(made, now), /it ended with PGS3010 row refused \(table public\.a\)/);
});

test('many tables are cut for people and whole in JSON; names cannot drive a terminal; each phase has its words', async () => {
  const names = Array.from({ length: 5000 }, (_, i) => `public.t\u001b[${i}`);
  const made = report(await inPhase('snapshot', names), { slot: null });
  assert.equal(made.tables.length, 5000);
  const text = printStatus(made, now);
  assert.ok(text.split('\n').length < 70);
  assert.match(text, /and 4950 more: --json shows all/);
  assert.doesNotMatch(text, /\u001b/);
  for (const [phase, words] of [
    ['starting', /no row was copied yet/],
    ['cutover', /go on with pgsluice cutover/],
    ['done', /cut over/],
  ] as const) {
    assert.match(printStatus(report(await inPhase(phase)), now), words);
  }
  assert.match(printStatus(report(await inPhase('done'), { copyOnly: true }), now), /^pipeline shop: copied\n/);
});

test('the snapshot that is held on the source is shown, with what vacuum leaves for it', async () => {
  const state = await inPhase('snapshot');
  const held = { seconds: 3720, transactions: 4321, deadRows: 99 };
  const told = report(state, { slot: { ...slot, held } });
  assert.deepEqual(told.slot?.held, held);
  assert.match(printStatus(told, now), /a snapshot is held for 1 h 2 min, 4321 transaction ids old: of 99 dead rows/);
  assert.doesNotMatch(printStatus(report(state), now), /snapshot is held/);
});
