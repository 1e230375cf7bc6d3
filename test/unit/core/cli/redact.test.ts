import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cliError } from '../../../../core/cli/errors.ts';
import { errorLine, exitCode, renderError } from '../../../../core/cli/render-error.ts';
import { PipelineFileError } from '../../../../core/config/problem.ts';
import { redact } from '../../../../core/base/redact.ts';

test('passwords go, whatever form they have; the rest stays', () => {
  const cases: readonly (readonly [string, string])[] = [
    ['postgres://u:s3cret@h:5432/d', 'postgres://u:***@h:5432/d'],
    ['"postgresql://u:s3cret@h/d?sslmode=require"', '"postgresql://u:***@h/d?sslmode=require"'],
    ['postgres://u:s3c@ret@h/d', 'postgres://u:***@h/d'],
    ['postgres://:s3cret@h/d', 'postgres://:***@h/d'],
    ['postgres://u:s3%40cret@[::1]:5/d and postgres://v:s3cret@h', 'postgres://u:***@[::1]:5/d and postgres://v:***@h'],
    ['postgres://u@h/d?password=s3cret&x=1', 'postgres://u@h/d?password=***&x=1'],
    ['host=h user=u password=s3cret dbname=d', 'host=h user=u password=*** dbname=d'],
    ["host=h password='s3 cret' dbname=d", 'host=h password=*** dbname=d'],
    ['http://127.0.0.1:8377/metrics at 12:30:00 by a@b', 'http://127.0.0.1:8377/metrics at 12:30:00 by a@b'],
    ['connection to h:5432 refused', 'connection to h:5432 refused'],
  ];
  for (const [text, expected] of cases) assert.equal(redact(text), expected);
});

test('an error is one line: code, what, where in a fixed order, what to do', () => {
  const error = cliError('PGS1104', 'two\nlines', {
    where: { sqlstate: '42P01', table: 'public.a', lsn: '0/1', connection: 'source' },
    remedy: 'Do this.',
  });
  const line = 'PGS1104 two lines (connection source, table public.a, LSN 0/1, SQLSTATE 42P01) – Do this.';
  assert.equal(errorLine(error), line);
  assert.equal(renderError(error, false), `${line}\n`);
  assert.equal(exitCode(error), 2);
  assert.equal(exitCode(new Error('x')), 1);
  assert.match(errorLine('a string'), /^PGS1190 unexpected error: a string/);
});

test('problems of a file are a line each, without a summary', () => {
  const problem = { file: 'a.yaml', line: 1, col: 2, code: 'PGS1004', message: 'unknown key "x"' };
  assert.equal(
    renderError(new PipelineFileError('a.yaml', [problem]), false),
    'a.yaml:1:2: unknown key "x" (PGS1004)\n',
  );
});
