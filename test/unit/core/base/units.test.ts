import assert from 'node:assert/strict';
import { test } from 'node:test';
import { suggest } from '../../../../core/base/suggest.ts';
import { parseDuration, parseRate, parseSize } from '../../../../core/base/units.ts';

test('sizes are powers of 1024 in every spelling', () => {
  assert.equal(parseSize('64MB'), 67108864);
  assert.equal(parseSize('64 MiB'), 67108864);
  assert.equal(parseSize('1.5GB'), 1610612736);
  assert.equal(parseSize('512kB'), 524288);
  assert.equal(parseSize('1TB'), 1099511627776);
  assert.equal(parseSize('7B'), 7);
  for (const bad of ['64', '', 'MB', '-1MB', '1e3MB', '1XB', '1 M B', '9999999999TB'])
    assert.equal(parseSize(bad), null, bad);
});

test('durations tell minutes from months and milliseconds', () => {
  assert.equal(parseDuration('500ms'), 500);
  assert.equal(parseDuration('30s'), 30_000);
  assert.equal(parseDuration('5m'), 300_000);
  assert.equal(parseDuration('5min'), 300_000);
  assert.equal(parseDuration('2h'), 7_200_000);
  assert.equal(parseDuration('1.5d'), 129_600_000);
  for (const bad of ['5', '5M', 's', '-5s', '5 weeks']) assert.equal(parseDuration(bad), null, bad);
});

test('rates are sizes per second', () => {
  assert.equal(parseRate('50MB/s'), 52428800);
  assert.equal(parseRate('1 kB / s'), 1024);
  for (const bad of ['50MB', '50MB/m', '/s']) assert.equal(parseRate(bad), null, bad);
});

test('the nearest word is suggested, a far one is not', () => {
  assert.equal(suggest('pipelin', ['pipeline', 'source']), 'pipeline');
  assert.equal(suggest('suorce', ['pipeline', 'source']), 'source');
  assert.equal(suggest('Sinks', ['sinks']), 'sinks');
  assert.equal(suggest('xyz', ['pipeline', 'source']), null);
  assert.equal(suggest('', ['a']), 'a');
  assert.equal(suggest('customer', ['customers', 'costumes']), 'customers');
});
