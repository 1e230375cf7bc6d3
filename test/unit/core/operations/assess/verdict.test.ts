import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SourceSample, SourceSurvey, TableCounters } from '../../../../../core/api/assessment.ts';
import type { Finding } from '../../../../../core/api/check.ts';
import { type PathRates, assumedRates, estimate, ratesOf } from '../../../../../core/operations/assess/estimate.ts';
import type { Probe } from '../../../../../core/operations/assess/probed.ts';
import { spread } from '../../../../../core/operations/assess/probe.ts';
import { judge } from '../../../../../core/operations/assess/verdict.ts';
import { Watched } from '../../../../../core/operations/assess/watched.ts';

const table = { oid: 1, name: 's.t', heap: 600, toast: 400, indexes: 500, rows: 10, identified: true, unlogged: false };
const survey = (slotKeepsBytes: number | null): SourceSurvey => {
  return { version: 170000, slotKeepsBytes, seesSessions: true, largeObjects: 0, extensions: [], tables: [table] };
};
const rates = (apply: number, given: boolean): PathRates => {
  const by = given ? ('given' as const) : ('assumed' as const);
  return { copy: { bytes: 100, by }, index: { bytes: 50, by }, apply: { bytes: apply, by } };
};
const finding = (more: Partial<Finding>): Finding => {
  return { check: 'wal-level', level: 'error', subject: 'source', message: 'm', remedy: null, ...more };
};
const verdict = (walRate: number, keeps: number | null, path = rates(100, true), findings: Finding[] = []) => {
  const expected = estimate(survey(keeps), walRate, path);
  return judge({ survey: survey(keeps), findings, estimate: expected, walRate, rates: path, probe: null, ahead: [] })
    .verdict;
};

test('hours come from bytes and rates: copy, indexes, the WAL of both, and what the stream gains on the source', () => {
  // 1000 bytes at 100/s, 500 at 50/s; 20 s of 60 bytes; 1200 bytes with 40 to spare.
  const expected = { copy: 10, indexes: 10, walKept: 1200, catchUp: 30 };
  assert.deepEqual(estimate(survey(null), 60, rates(100, true)), expected);
  assert.equal(estimate(survey(null), 100, rates(100, true)).catchUp, null, 'as fast as the source is not fast enough');
});

test('WAL that the slot may not keep is a NO-GO; at its limit it is not', () => {
  assert.equal(verdict(60, null), 'GO');
  assert.equal(verdict(60, 1200), 'GO');
  assert.equal(verdict(60, 1199), 'NO-GO');
});

test('a path that is too slow forbids the migration where its rate is given, not where it is assumed', () => {
  assert.equal(verdict(100, null, rates(100, true)), 'NO-GO');
  assert.equal(verdict(100, null, rates(100, false)), 'GO WITH WORK');
});

test('findings: what a remedy mends is work, what none mends blocks, and so does a server that could not be asked', () => {
  const of = (more: Partial<Finding>) => verdict(60, null, rates(100, true), [finding(more)]);
  assert.equal(of({ level: 'ok' }), 'GO');
  assert.equal(of({ level: 'warning' }), 'GO WITH WORK');
  assert.equal(of({ remedy: 'ALTER SYSTEM …', code: 'PGS2004' }), 'GO WITH WORK');
  assert.equal(of({ remedy: null }), 'NO-GO');
  assert.equal(of({ check: 'pgs2001', code: 'PGS2001', remedy: 'Start the server.' }), 'NO-GO');
});

test('counters that are reset while they are watched are counted from zero again', () => {
  const sample = (at: number, updates: number, walBytes: number): SourceSample => {
    const counters: TableCounters = { inserts: 0, updates, hotUpdates: 0, deletes: 0, deadRows: updates };
    return { at, wal: BigInt(at), walBytes, walSeconds: null, oldestWriter: null, tables: new Map([[1, counters]]) };
  };
  const watched = new Watched(sample(0, 100, 1000));
  watched.add(sample(1000, 110, 1500));
  watched.add(sample(3000, 4, 200));
  assert.equal(watched.seconds, 3);
  assert.equal(watched.tables.get(1)?.updates, 14);
  assert.equal(watched.tables.get(1)?.deadRows, 4, 'dead rows are as they are at the end');
  assert.equal(watched.walRecordBytes, 700);
  assert.deepEqual(
    watched.points.map(({ at, changes }) => [at, changes]),
    [
      [1, 10],
      [3, 2],
    ],
  );
});

test('what was given counts before what was measured; decoding alone never makes the stream faster than assumed', () => {
  const probe = (copied: number, decoded: number) => {
    const index = { bytes: 90, seconds: 3 };
    return {
      copy: { bytes: copied * 2, seconds: 2 },
      index,
      transforms: null,
      decode: { bytes: decoded * 4, seconds: 4 },
    };
  };
  const nothing = { copy: null, index: null, apply: null };
  assert.deepEqual(ratesOf(nothing, null), assumedRates);
  const slow = ratesOf(nothing, probe(500, 700));
  assert.deepEqual(
    [slow.copy, slow.index, slow.apply],
    [
      { bytes: 500, by: 'measured' },
      { bytes: 30, by: 'measured' },
      { bytes: 700, by: 'measured' },
    ],
  );
  assert.deepEqual(ratesOf(nothing, probe(500, 1e12)).apply, assumedRates.apply);
  assert.deepEqual(ratesOf({ index: 5, copy: 3, apply: 4 }, probe(500, 700)), {
    copy: { bytes: 3, by: 'given' },
    index: { bytes: 5, by: 'given' },
    apply: { bytes: 4, by: 'given' },
  });
  const failed = { copy: { why: 'no' }, index: { why: 'no' }, transforms: null, decode: { why: 'no' } };
  assert.deepEqual(ratesOf(nothing, failed), assumedRates);
  const measured = ratesOf(nothing, probe(500, 100));
  assert.equal(verdict(200, null, measured), 'NO-GO', 'a measured rate is no assumption');
});

test('any beginning of the order of a probe has parts of everywhere', () => {
  const some = spread(Array.from({ length: 1000 }, (_, i) => i));
  assert.equal(new Set(some).size, 1000);
  for (const tenth of Array.from({ length: 10 }, (_, i) => i * 100))
    assert.ok(
      some.slice(0, 30).some((i) => i >= tenth && i < tenth + 100),
      `nothing from ${tenth} on`,
    );
});

test('a copy that failed on trial is work; one that was not tried says nothing', () => {
  const path = rates(100, true);
  const expected = estimate(survey(null), 1, path);
  const tried = (copy: Probe['copy']) => {
    const probe = { copy, index: { why: 'no' }, transforms: null, decode: { why: 'no' } };
    return judge({ survey: survey(null), findings: [], estimate: expected, walRate: 1, rates: path, probe, ahead: [] })
      .verdict;
  };
  assert.equal(tried({ why: 'PGS4061: the script returned object', failed: true }), 'GO WITH WORK');
  assert.equal(tried({ why: 'the tables are empty' }), 'GO');
  assert.equal(tried({ bytes: 1, seconds: 1 }), 'GO');
});

test('what a cutover would not let pass is work, told once for each reason', () => {
  const path = rates(100, true);
  const expected = estimate(survey(null), 1, path);
  const ahead = Array.from({ length: 7 }, (_, i) => {
    return { name: `public.t${i}`, kind: 'table', why: i === 6 ? 'other' : 'code', remedy: null, blocks: true };
  });
  const input = { survey: survey(null), findings: [], estimate: expected, walRate: 1, rates: path, probe: null, ahead };
  const { verdict: said, reasons } = judge(input);
  assert.equal(said, 'GO WITH WORK');
  assert.deepEqual(
    reasons.map(({ what }) => what),
    ['cutover: public.t0, public.t1, public.t2, public.t3, public.t4 and 1 more: code', 'cutover: public.t6: other'],
  );
});
