import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderLive } from '../../core/observe/live/render.ts';
import { RunView, type TableView } from '../../core/observe/run-view.ts';
import { formatBytes, formatSeconds } from '../../core/observe/format.ts';
import { statusRecord } from '../../core/observe/status-record.ts';

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
    finishedAt: null,
  };
}

test('a thousand tables stay readable: the screen is neither overrun in width nor in height', () => {
  const view = new RunView('shop');
  view.enter('copy');
  for (let i = 0; i < 1000; i++) view.tables.set(`postgres:${i}`, table(i, i < 100 ? 'copying' : 'pending'));
  const lines = renderLive(view, { columns: 80, rows: 24, now: Date.now() });
  assert.ok(lines.length <= 16, `${lines.length} lines`);
  assert.ok(lines.every((line) => line.length <= 80));
  assert.match(lines.join('\n'), /and 88 more under way/);
  assert.match(lines.join('\n'), /0 of 1000 tables finished/);
});

test('while following, lag and WAL are shown per sink', () => {
  const view = new RunView('shop');
  view.enter('follow');
  const sink = view.sink('postgres');
  sink.durable = 1000n;
  sink.written = 1000n;
  sink.commitTime = BigInt(Date.now() - 3000) * 1000n;
  view.sourcePosition = 2000n;
  view.retainedBytes = 5 * 1024 * 1024;
  view.rates = { copyBytes: 0, changes: 12.4, transactions: 2, walBytes: 0 };
  const text = renderLive(view, { columns: 200, rows: 24, now: Date.now() }).join('\n');
  assert.match(text, /postgres: lag 3\.0 s, 1000 B/);
  assert.match(text, /12 changes\/s/);
  assert.match(text, /keeps 5\.0 MB of WAL/);
  sink.durable = 2000n;
  assert.equal(view.lagSeconds(sink), 0);
  assert.equal(view.lagBytes(sink), 0);
});

test('a status record names at most a few hundred tables, the unfinished ones', () => {
  const view = new RunView('shop');
  for (let i = 0; i < 1000; i++) view.tables.set(String(i), table(i, i < 990 ? 'finished' : 'copying'));
  const record = statusRecord(view) as { tables: { phase: string }[]; tableCounts: Record<string, number> };
  assert.equal(record.tables.length, 10);
  assert.equal(record.tableCounts['finished'], 990);
});

test('bytes and seconds are written as people read them', () => {
  assert.deepEqual([0, 1023, 1536, 150 * 1024 * 1024].map(formatBytes), ['0 B', '1023 B', '1.5 kB', '150 MB']);
  assert.deepEqual([0.35, 4.2, 200, 7500].map(formatSeconds), ['350 ms', '4.2 s', '3 min 20 s', '2 h 5 min']);
});
