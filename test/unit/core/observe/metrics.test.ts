import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PromMetrics } from '../../../../core/observe/metrics.ts';
import { labelled, noMetrics } from '../../../../core/base/no-metrics.ts';
import { RunView } from '../../../../core/pipeline/progress/run-view.ts';
import { RunState } from '../../../../core/pipeline/state/run-state.ts';

/** The samples of one name, without comments and without the label of the pipeline. */
async function samples(metrics: PromMetrics, name: string): Promise<readonly string[]> {
  const lines = (await metrics.text()).split('\n').filter((line) => line.startsWith(name) && !line.startsWith('#'));
  return lines.map((line) => line.replace(/,?pipeline="shop"/, '').replace('{}', ''));
}

test('what plugins count has the prefix, the suffix of a counter and the label of the instance', async () => {
  const metrics = new PromMetrics('shop');
  const source = labelled(metrics, { plugin: 'source' });
  source.count('source_changes', 2);
  source.count('source_changes', 3);
  source.gauge('buffered-bytes', 7, { of: 'a' });
  source.gauge('buffered-bytes', 8, { of: 'a' });
  assert.deepEqual(await samples(metrics, 'pgsluice_source_changes_total'), [
    'pgsluice_source_changes_total{plugin="source"} 5',
  ]);
  assert.deepEqual(await samples(metrics, 'pgsluice_buffered_bytes'), [
    'pgsluice_buffered_bytes{plugin="source",of="a"} 8',
  ]);
  assert.match(await metrics.text(), /# TYPE pgsluice_source_changes_total counter/);
  assert.equal(labelled(noMetrics, { plugin: 'x' }), noMetrics);
});

test('a metric that Prometheus does not take never ends a run', async () => {
  const metrics = new PromMetrics('shop');
  metrics.count('a', -1);
  metrics.count('a', Number.NaN);
  metrics.count('a', 1, { known: 'x' });
  metrics.count('a', 1, { known: 'x', late: 'y' });
  assert.deepEqual(await samples(metrics, 'pgsluice_a_total'), ['pgsluice_a_total{known="x"} 2']);
});

test('the run shows what it knows, and nothing where it does not know', async () => {
  const metrics = new PromMetrics('shop');
  const view = new RunView('shop', new RunState());
  metrics.watch(view);
  assert.deepEqual(await samples(metrics, 'pgsluice_slot_retained_wal_bytes'), []);
  assert.deepEqual(await samples(metrics, 'pgsluice_sink_lag_bytes'), []);
  view.run.enter('follow');
  view.retainedBytes = 4096;
  view.streamRetries = 2;
  view.sourcePosition = 5000n;
  const sink = view.sink('warehouse');
  view.run.setDurable(sink.name, 3000n);
  sink.changes = 12;
  assert.deepEqual(await samples(metrics, 'pgsluice_slot_retained_wal_bytes'), [
    'pgsluice_slot_retained_wal_bytes 4096',
  ]);
  assert.deepEqual(await samples(metrics, 'pgsluice_sink_lag_bytes'), [
    'pgsluice_sink_lag_bytes{sink="warehouse"} 2000',
  ]);
  assert.deepEqual(await samples(metrics, 'pgsluice_sink_changes_total'), [
    'pgsluice_sink_changes_total{sink="warehouse"} 12',
  ]);
  assert.deepEqual(await samples(metrics, 'pgsluice_stream_retries_total'), ['pgsluice_stream_retries_total 2']);
  assert.ok((await samples(metrics, 'pgsluice_phase')).includes('pgsluice_phase{phase="follow"} 1'));
  view.retainedBytes = null;
  assert.deepEqual(await samples(metrics, 'pgsluice_slot_retained_wal_bytes'), [], 'unknown again, and not zero');
  assert.deepEqual(await samples(metrics, 'pgsluice_sink_changes_total'), [
    'pgsluice_sink_changes_total{sink="warehouse"} 12',
  ]);
});
