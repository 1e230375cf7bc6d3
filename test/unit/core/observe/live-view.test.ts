import assert from 'node:assert/strict';
import { test } from 'node:test';
import { History, momentColumns } from '../../../../core/pipeline/progress/history.ts';
import { LiveView } from '../../../../core/observe/live/live-view.ts';
import { renderLive } from '../../../../core/observe/live/render.ts';
import { clipText, fitName, printable, textWidth } from '../../../../core/base/terminal-text.ts';
import { Growth, RateMeter } from '../../../../core/pipeline/progress/rates.ts';
import { SourceClock } from '../../../../core/pipeline/progress/source-clock.ts';
import { RunView, type TableView } from '../../../../core/pipeline/progress/run-view.ts';
import { formatBytes, formatSeconds } from '../../../../core/base/format.ts';
import { statusRecord } from '../../../../core/pipeline/progress/status-record.ts';
import { RunState } from '../../../../core/pipeline/state/run-state.ts';

function table(i: number, phase: TableView['phase']): TableView {
  const name = `public.table_${i}`;
  return {
    sink: 'postgres',
    source: name,
    target: name,
    phase,
    estimate: 1000,
    bytes: 500,
    rows: 5n,
    startedAt: 0,
    copiedAt: null,
    finishedAt: null,
    rate: 0,
  };
}

test('a thousand tables stay readable: the screen is neither overrun in width nor in height', () => {
  const view = new RunView('shop', new RunState());
  view.run.enter('copy');
  for (let i = 0; i < 1000; i++) view.tables.set(`postgres:${i}`, table(i, i < 100 ? 'copying' : 'pending'));
  const lines = renderLive(view, { columns: 80, rows: 24, now: Date.now() });
  assert.ok(lines.length <= 16, `${lines.length} lines`);
  assert.ok(lines.every((line) => line.length <= 80));
  assert.match(lines.join('\n'), /and 88 more under way/);
  assert.match(lines.join('\n'), /0 of 1000 tables finished/);
});

test('while following, lag and WAL are shown per sink', () => {
  const view = new RunView('shop', new RunState());
  view.run.enter('follow');
  const sink = view.sink('postgres');
  view.run.setDurable(sink.name, 1000n);
  sink.written = 1000n;
  sink.commitTime = BigInt(Date.now() - 3000) * 1000n;
  view.sourcePosition = 2000n;
  view.retainedBytes = 5 * 1024 * 1024;
  view.rates = { copyBytes: 0, changes: 12.4, transactions: 2, walBytes: 0 };
  const text = renderLive(view, { columns: 200, rows: 24, now: Date.now() }).join('\n');
  assert.match(text, /postgres: lag 3\.0 s, 1000 B/);
  assert.match(text, /12 changes\/s/);
  assert.match(text, /keeps 5\.0 MB of WAL/);
  view.run.setDurable(sink.name, 2000n);
  assert.equal(view.lagSeconds(sink), 0);
  assert.equal(view.lagBytes(sink), 0);
});

test('a status record names at most a few hundred tables, the unfinished ones', () => {
  const view = new RunView('shop', new RunState());
  for (let i = 0; i < 1000; i++) view.tables.set(String(i), table(i, i < 990 ? 'finished' : 'copying'));
  const record = statusRecord(view) as { tables: { phase: string }[]; tableCounts: Record<string, number> };
  assert.equal(record.tables.length, 10);
  assert.equal(record.tableCounts['finished'], 990);
});

test('bytes and seconds are written as people read them', () => {
  assert.deepEqual([0, 1023, 1536, 150 * 1024 * 1024].map(formatBytes), ['0 B', '1023 B', '1.5 kB', '150 MB']);
  assert.deepEqual([0.35, 4.2, 200, 7500].map(formatSeconds), ['350 ms', '4.2 s', '3 min 20 s', '2 h 5 min']);
});

test('no name breaks the picture: wide and control characters, and names longer than the screen', () => {
  assert.deepEqual(['abc', '表', 'é', 'e\u0301', '👍'].map(textWidth), [3, 2, 1, 1, 2]);
  assert.equal(clipText('abcdef', 4), 'abc…');
  assert.equal(clipText('表表表', 4), '表…');
  assert.equal(fitName('public.orders', 7), '…orders');
  assert.equal(fitName('表表表', 4), '…表 ');
  assert.equal(printable('a\u001b[2Jb\nc\u202ed'), 'a�[2Jb�c�d');
  const view = new RunView('shop', new RunState());
  view.run.enter('copy');
  for (const name of ['public.表表表表表表表表表表表表表表表表表表表表表表表', 'public.\u001b[2J', 'x'.repeat(200)]) {
    view.tables.set(name, { ...table(1, 'copying'), source: name });
  }
  for (const columns of [40, 60, 72, 100]) {
    const lines = renderLive(view, { columns, rows: 24, now: Date.now() });
    assert.ok(
      lines.every((line) => textWidth(line) < columns && !line.includes('\u001b')),
      lines.join('\n'),
    );
    assert.equal(lines.length, 6);
  }
});

test('on a screen of any size the picture stays within two thirds of it and says the phase first', () => {
  const view = new RunView('shop', new RunState());
  for (const phase of ['copy', 'index', 'catch-up', 'follow'] as const) {
    view.run.enter(phase);
    for (let i = 0; i < 300; i++) view.tables.set(String(i), table(i, 'copying'));
    for (let i = 0; i < 20; i++) view.sink(`sink${i}`).retrying = 'PGS2005';
    view.retainedBytes = 1;
    view.retrying = 'PGS2005';
    for (const rows of [3, 6, 10, 24, 60]) {
      const lines = renderLive(view, { columns: 80, rows, now: Date.now() });
      assert.ok(lines.length <= Math.max(3, Math.floor((rows * 2) / 3)), `${phase}: ${lines.length} of ${rows}`);
      assert.match(lines[0]!, /^pgsluice shop: /);
    }
  }
});

test('the picture is drawn over the last one; log lines stand above it, without passwords and control characters', () => {
  const written: string[] = [];
  const out = { columns: 80, rows: 24, write: (text: string) => written.push(text) > 0 };
  using live = new LiveView(out as unknown as NodeJS.WritableStream, { debug: false });
  const view = new RunView('shop', new RunState());
  live.show(view);
  const log = live.logger();
  log.log('info', 'a', 'postgres://u:s3cret@h/d\u001b[2J');
  log.log('debug', 'b', 'not shown');
  log.log('info', 'progress', 'not shown either');
  log.log('warn', 'c', 'beware');
  const text = written.join('');
  assert.match(text, /postgres:\/\/u:\*\*\*@h\/d�\[2J\n/);
  assert.match(text, /warn: beware\n/);
  assert.doesNotMatch(text, /s3cret|not shown/);
  assert.ok(written[2]!.startsWith('\u001b[1A\u001b[J'), 'one line was drawn, one is taken back');
  out.columns = 20;
  log.log('info', 'd', 'after the screen was made narrower');
  assert.match(written.at(-2)!, /^\u001b\[[23]A\u001b\[J/, 'the old line has wrapped');
});

test('the lag in seconds: nothing is behind on an idle source, however long ago the last transaction was', () => {
  const view = new RunView('shop', new RunState());
  const sink = view.sink('postgres');
  const hourAgo = Date.now() - 3_600_000;
  view.run.setDurable(sink.name, 1000n);
  sink.commitTime = BigInt(hourAgo) * 1000n;
  const now = Date.now();
  view.sawSource(1000n);
  view.clock.note(1000n, now - 4000);
  assert.equal(view.lagSeconds(sink, now), 0);
  view.sawSource(1100n);
  view.clock.note(1100n, now - 2000);
  assert.equal(view.lagSeconds(sink, now), 4, 'it had everything four seconds ago');
  view.run.confirmed = 1100n;
  assert.equal(view.lagSeconds(sink, now), 0, 'a confirmed idle position counts');
  assert.equal(view.lagBytes(sink), 0);
  view.sawSource(2000n);
  sink.commitTime = BigInt(now - 1500) * 1000n;
  view.run.setDurable(sink.name, 1500n);
  assert.equal(view.lagSeconds(sink, now), 1.5, 'what was written is newer than the last look');
});

test('the source clock keeps an answer for old positions in bounded memory', () => {
  const clock = new SourceClock();
  assert.equal(clock.behind(5n, 0), null);
  for (let i = 0; i < 50_000; i++) clock.note(BigInt(i * 10), i * 2000);
  const now = 50_000 * 2000;
  assert.equal(clock.behind(-1n, now), null);
  const old = clock.behind(1000n, now)!;
  assert.ok(old >= (now - 100 * 2000) / 1000 && old <= now / 1000, String(old));
  assert.equal(clock.behind(499_990n, now), 2);
  clock.note(499_990n, now);
  assert.equal(clock.behind(499_990n, now), 0, 'the source is still there');
  clock.note(3n, now + 1);
  assert.equal(clock.behind(499_990n, now), 0, 'a position that goes back says nothing');
});

test('transactions behind: those that wait, and an estimate of those not read yet', () => {
  const view = new RunView('shop', new RunState());
  const sink = view.sink('postgres');
  view.run.setDurable(sink.name, 1000n);
  view.sawSource(3000n);
  assert.equal(view.lagTransactions(sink), null);
  view.opened(1000n);
  assert.equal(view.lagTransactions(sink), null, 'no transaction has shown its size yet');
  view.received(null, 0);
  view.received(2000n, 10);
  sink.waiting = 4;
  assert.equal(view.lagTransactions(sink), 14);
  view.received(3000n, 10);
  assert.equal(view.lagTransactions(sink), 4);
  view.run.setDurable(sink.name, 3000n);
  sink.waiting = 0;
  assert.equal(view.lagTransactions(sink), 0);
});

test('when the limit of kept WAL is met follows from its growth over a while, not from one jump', () => {
  const growth = new Growth();
  growth.note(0, 0);
  growth.note(1_000_000, 2000);
  assert.equal(growth.perSecond(), null, 'too little was seen');
  for (let s = 4; s <= 300; s += 2) growth.note(s * 500, s * 1000);
  assert.equal(Math.round(growth.perSecond()!), 500);
  const view = new RunView('shop', new RunState());
  view.safeBytes = 60_000;
  assert.equal(view.limitSeconds, null);
  view.retainedGrowth = growth.perSecond();
  assert.equal(Math.round(view.limitSeconds!), 120);
  view.retainedBytes = 5;
  view.run.enter('follow');
  assert.match(renderLive(view, { columns: 120, rows: 24, now: Date.now() }).join(), /met in about 2 min 0 s/);
  view.retainedGrowth = -5;
  assert.equal(view.limitSeconds, null);
});

test('rates rise and fall with what is done, and a chunk that starts again is not a negative rate', () => {
  const view = new RunView('shop', new RunState());
  const meter = new RateMeter();
  const one = table(1, 'copying');
  view.tables.set('a', one);
  meter.sample(view, 0);
  one.bytes += 10_000;
  for (let s = 1; s <= 30; s++) {
    one.bytes += 1000;
    meter.sample(view, s * 1000);
  }
  const steady = meter.sample(view, 30_000).copyBytes;
  assert.ok(steady > 990 && steady < 1100, String(steady));
  one.bytes = 0;
  const after = meter.sample(view, 31_000).copyBytes;
  assert.ok(after >= 0 && after < steady, String(after));
  assert.equal(meter.measured.copyBytes, 0);
  // It is over, not slower and slower.
  one.phase = 'finished';
  assert.equal(meter.sample(view, 32_000).copyBytes, 0);
});

test('the history has the last minutes as they were and a day by the minute, in bounded memory', () => {
  const history = new History();
  const none = { lagBytes: null, changes: 0, transactions: 0, copyBytes: 0, retainedBytes: null, limitBytes: null };
  const turns = 60_000;
  // A peak in every hundredth look must not get lost; means stay means.
  for (let i = 1; i <= turns; i++)
    history.note({ at: i * 2000, ...none, changes: i % 2, lagSeconds: i % 100 === 0 ? 7 : 1 });
  const rows = history.rows();
  const column = (name: (typeof momentColumns)[number]) => rows.map((row) => row[momentColumns.indexOf(name)]!);
  const times = column('at');
  assert.ok(times.length <= 2400, `${times.length} moments`);
  assert.deepEqual(
    times.slice(-900),
    Array.from({ length: 900 }, (_, i) => (turns - 899 + i) * 2000),
  );
  const first = turns * 2000 - times[0]!;
  assert.ok(first > 23.9 * 3_600_000 && first <= 24 * 3_600_000 + 60_000, `${first} ms back`);
  assert.deepEqual(
    times,
    [...times].sort((a, b) => a - b),
  );
  const older = column('changes').slice(1, -901);
  assert.ok(
    older.every((value) => Math.abs(value - 0.5) < 0.05),
    'rates are means',
  );
  assert.ok(column('lagSeconds').filter((value) => value === 7).length > 400, 'peaks of the lag are kept');
  assert.equal(history.rows((turns - 10) * 2000).length, 10);
});

test('the copy: how far, and how long yet, once that is no guess', () => {
  const view = new RunView('shop', new RunState());
  view.run.enter('copy');
  view.finishedBefore = 3;
  view.tables.set('a', { ...table(1, 'copying'), estimate: 900, bytes: 250 });
  view.tables.set('b', { ...table(2, 'indexing'), estimate: 100, bytes: 120 });
  const early = statusRecord(view, view.phaseSince + 100) as { copy: { secondsLeft: number | null } };
  assert.equal(early.copy.secondsLeft, null);
  const record = statusRecord(view, view.phaseSince + 7000) as { copy: Record<string, number>; tableCounts: object };
  assert.deepEqual(record.copy, {
    tables: 5,
    finished: 3,
    estimatedBytes: 1000,
    doneBytes: 350,
    bytes: 370,
    rows: '10',
    secondsLeft: 13,
  });
  assert.deepEqual(record.tableCounts, { pending: 0, copying: 1, copied: 0, indexing: 1, finished: 3 });
});
