import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceSample } from '../../../../../core/api/assessment.ts';
import { htmlReport } from '../../../../../core/operations/assess/html.ts';
import { assessment } from '../../../../../core/operations/assess/report.ts';
import { Watched } from '../../../../../core/operations/assess/watched.ts';

const name = `public.<img src=x onerror="alert(1)"> & 'co'`;
const table = { oid: 1, name, heap: 8192, toast: 0, indexes: 0, rows: 10, identified: true, unlogged: true };
const sample = (at: number, inserts: number): SourceSample => {
  const counters = { inserts, updates: 0, hotUpdates: 0, deletes: 0, deadRows: 0 };
  return {
    at,
    wal: BigInt(inserts),
    walBytes: 0,
    walSeconds: null,
    oldestWriter: null,
    tables: new Map([[1, counters]]),
  };
};
const rate = { bytes: 1, by: 'given' as const };

function html(...samples: readonly SourceSample[]): string {
  const watched = new Watched(samples[0]!);
  for (const one of samples.slice(1)) watched.add(one);
  const survey = {
    version: 170000,
    slotKeepsBytes: null,
    seesSessions: true,
    largeObjects: 0,
    extensions: ['<i>'],
    tables: [table],
  };
  const finding = { check: 'c', level: 'warning', subject: 's', message: '<s>', remedy: '<u>' } as const;
  const rates = { copy: rate, index: rate, apply: rate };
  return htmlReport(
    assessment({ pipeline: '<p>&', survey, watched, findings: [finding], rates, probe: null, ahead: [] }),
  );
}

const outlines = (text: string) => [...text.matchAll(/<polygon points="([^"]*)"/g)].map((match) => match[1]!);

test('a watch of one step has an area that is drawn, and so has one of several', () => {
  assert.deepEqual(outlines(html(sample(0, 0), sample(2000, 50))), [
    '0.0,160 0.0,20.0 1000.0,20.0 1000.0,160',
    '0.0,160 0.0,20.0 1000.0,20.0 1000.0,160',
  ]);
  // 10 a second for one second, then 5 a second for three.
  assert.equal(
    outlines(html(sample(0, 0), sample(1000, 10), sample(4000, 25)))[1],
    '0.0,160 0.0,20.0 250.0,20.0 250.0,90.0 1000.0,90.0 1000.0,160',
  );
});

test('a quiet source, and a watch without a step, give numbers, too', () => {
  for (const text of [html(sample(0, 5), sample(1000, 5)), html(sample(0, 5))]) {
    assert.doesNotMatch(text, /NaN|Infinity|undefined/);
  }
});

test('names, findings, remedies and extensions are text', () => {
  const text = html(sample(0, 0), sample(1000, 1));
  assert.doesNotMatch(text, /<img|<i>|<s>|<u>|<p>&|onerror="/);
  assert.ok(text.includes('public.&#60;img src=x onerror=&#34;alert(1)&#34;&#62; &#38; &#39;co&#39;'));
});
