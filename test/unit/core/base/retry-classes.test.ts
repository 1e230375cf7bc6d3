import assert from 'node:assert/strict';
import { test } from 'node:test';
import pg from 'pg';
import { retryable, retryDelay } from '../../../../core/base/backoff.ts';
import { fromPg } from '../../../../core/postgres/pg-error.ts';

function ofState(code: string) {
  const error = new pg.DatabaseError('said in any language', 10, 'error');
  error.code = code;
  return fromPg(error, { connection: 'target' });
}

const classes = {
  'connection loss': ['08000', '08003', '08006'],
  'admin shutdown': ['57P01', '57P02', '57P03'],
  serialization: ['40001', '40P01'],
  'too many connections': ['53300'],
  'disk full': ['53100', '58030'],
  'out of memory': ['53200'],
} as const;

for (const [name, states] of Object.entries(classes)) {
  test(`${name} is tried again, with a bound`, () => {
    for (const state of states) {
      const error = ofState(state);
      assert.equal(error.retry, 'backoff', state);
      assert.equal(error.where.sqlstate, state);
      assert.ok(retryable(error, 1, 8) && retryable(error, 7, 8), state);
      assert.ok(!retryable(error, 8, 8), `${state} has a last try`);
    }
  });
}

test('what another try cannot mend is not tried again: data, constraints, syntax, privileges, passwords', () => {
  for (const state of ['22P02', '23505', '23503', '42601', '42501', '42P01', '28P01', '3D000', 'XX000'])
    assert.equal(ofState(state).retry, 'never', state);
});

test('a connection that breaks has no SQLSTATE: the code of the system decides', () => {
  for (const code of ['ECONNRESET', 'EPIPE'])
    assert.equal(fromPg(Object.assign(new Error('x'), { code }), {}).retry, 'backoff', code);
});

test('the wait doubles and is bounded', () => {
  assert.deepEqual([1, 2, 3].map(retryDelay), [200, 400, 800]);
  assert.equal(retryDelay(1000), 30_000);
});
