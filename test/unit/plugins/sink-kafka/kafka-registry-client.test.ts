import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { PgsluiceError } from '../../../../core/base/error.ts';
import { fieldName, fullName } from '../../../../plugins/sink-kafka/schemas/names.ts';
import { RegistryClient } from '../../../../plugins/sink-kafka/schemas/registry-client.ts';

/* What the client makes of a registry, or of a proxy before it, that answers badly. The real registry is in integration/plugins/sink-kafka/schemas/registry. */

type Answer = readonly [status: number, body: string];

async function serve(answers: readonly Answer[]): Promise<{ url: string; asked: string[]; server: Server }> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const [status, body] = answers[Math.min(asked.length, answers.length - 1)]!;
    asked.push(`${request.method} ${request.url}`);
    request.resume();
    response.writeHead(status).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/`, asked, server };
}

function client(url: string, register = true): RegistryClient {
  return new RegistryClient({ urls: [url], authorization: async () => null, tls: {}, timeout: 5000, register });
}

const schema = { schemaType: 'AVRO', schema: '"int"', references: [] } as const;

async function asks(answers: readonly Answer[], register = true): Promise<{ id: number | string; asked: string[] }> {
  const { url, asked, server } = await serve(answers);
  const registry = client(url, register);
  try {
    const id = await registry
      .idOf('a b/c-value', schema)
      .catch((error: PgsluiceError) => `${error.code} ${error.message}`);
    return { id, asked };
  } finally {
    registry.close();
    server.close();
    server.closeAllConnections();
  }
}

test('what passes by itself is asked again', async () => {
  const { id, asked } = await asks([
    [500, '{"error_code":50001,"message":"store timeout"}'],
    [503, '<html>busy</html>'],
    [429, ''],
    [200, '{"id":42}'],
  ]);
  assert.equal(id, 42);
  assert.deepEqual(asked, Array(4).fill('POST /api/subjects/a%20b%2Fc-value/versions'));
});

test('a registry that stays away is an error to be tried again by the run', async () => {
  const { id, asked } = await asks([[502, '<html>bad gateway</html>']]);
  assert.match(String(id), /^PGS5040 .*502.*bad gateway/);
  assert.equal(asked.length, 5);
});

test('answers that will not change are errors with the subject, at once', async () => {
  const cases: readonly (readonly [Answer, RegExp])[] = [
    [[409, '{"error_code":409,"message":"reader field v"}'], /^PGS5043 .*subject a b\/c-value: 409 reader field v/],
    [
      [422, '{"error_code":42201,"message":"Input schema is an invalid Avro schema"}'],
      /^PGS5045 .*a b\/c-value.*invalid Avro/,
    ],
    [[401, ''], /^PGS5042 /],
    [[403, '{"error_code":40301,"message":"denied"}'], /^PGS5042 .*denied/],
    [[200, '{"no":"id"}'], /^PGS5045 /],
  ];
  for (const [answer, wanted] of cases) {
    const { id, asked } = await asks([answer]);
    assert.match(String(id), wanted);
    assert.equal(asked.length, 1);
  }
});

test('without auto_register a schema is looked up, and one that is not there is told', async () => {
  const { id, asked } = await asks([[404, '{"error_code":40403,"message":"Schema not found"}']], false);
  assert.match(String(id), /^PGS5044 .*Schema not found/);
  assert.deepEqual(asked, ['POST /api/subjects/a%20b%2Fc-value']);
});

test('names are adjusted as Debezium does for Avro', () => {
  assert.deepEqual(['Col "x"', 'naïve', '😀', '1num', 'dot.ted', 'a-b', '', 'ok_1'].map(fieldName), [
    'Col__x_',
    'na_ve',
    '__',
    '_1num',
    'dot_ted',
    'a_b',
    '',
    'ok_1',
  ]);
  assert.deepEqual(['app.public.Mixed.Case-Tab_le.Key', '1app.x.Value', '_ok.x'].map(fullName), [
    'app.public.Mixed.Case_Tab_le.Key',
    '_1app.x.Value',
    '_ok.x',
  ]);
});
