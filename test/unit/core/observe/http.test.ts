import assert from 'node:assert/strict';
import { request } from 'node:http';
import { test } from 'node:test';
import { isLocalName, isLoopback, readAddress } from '../../../../core/observe/http/address.ts';
import { reasonsAgainst } from '../../../../core/observe/http/readiness.ts';
import { type HttpServer, serveHttp } from '../../../../core/observe/http/server.ts';
import { PromMetrics } from '../../../../core/observe/metrics.ts';
import { recording, type RunEvent, RunEvents } from '../../../../core/pipeline/progress/run-events.ts';
import { RunView } from '../../../../core/pipeline/progress/run-view.ts';
import { RunState } from '../../../../core/pipeline/state/run-state.ts';

async function serve(view: RunView, address = '127.0.0.1:0'): Promise<HttpServer> {
  const metrics = new PromMetrics(view.pipeline);
  metrics.watch(view);
  return serveHttp({ address, view, metrics });
}

/** Status of a request with a Host header of its own, which fetch does not allow. */
function statusAs(url: string, host: string): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    })
      .on('error', reject)
      .end();
  });
}

test('addresses are read as the file has them; only the loopback interface is loopback', () => {
  assert.deepEqual(readAddress('127.0.0.1:8377'), { host: '127.0.0.1', port: 8377 });
  assert.deepEqual(readAddress('[::1]:80'), { host: '::1', port: 80 });
  assert.deepEqual(readAddress('db.example:1'), { host: 'db.example', port: 1 });
  assert.deepEqual(['127.0.0.1', '127.9.9.9', '::1', 'localhost'].map(isLoopback), [true, true, true, true]);
  assert.deepEqual(['0.0.0.0', '::', '10.0.0.1', 'example.com'].map(isLoopback), [false, false, false, false]);
  assert.deepEqual(['localhost:1', '127.0.0.1', '[::1]:8', undefined].map(isLocalName), [true, true, true, true]);
  assert.deepEqual(['evil.example', 'evil.example:8377', 'localhost.evil.example'].map(isLocalName), [
    false,
    false,
    false,
  ]);
});

test('everything is there, is of its type, and comes from here', async () => {
  const view = new RunView('shop', new RunState());
  await using server = await serve(view);
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/page.js', 'text/javascript'],
    ['/words.js', 'text/javascript'],
    ['/page.css', 'text/css'],
    ['/uplot.js', 'text/javascript'],
    ['/uplot.css', 'text/css'],
    ['/metrics', 'text/plain'],
    ['/healthz', 'application/json'],
    ['/status.json', 'application/json'],
    ['/history.json', 'application/json'],
  ]) {
    const response = await fetch(server.url + path);
    assert.equal(response.status, 200, path);
    assert.ok(response.headers.get('content-type')?.startsWith(type!), path);
    assert.match(response.headers.get('content-security-policy') ?? '', /default-src 'none'/);
    assert.equal(response.headers.get('cache-control'), 'no-store');
    assert.notEqual(await response.text(), '', path);
  }
  const page = await (await fetch(`${server.url}/`)).text();
  assert.doesNotMatch(page, /(?:src|href)="(?:https?:)?\/\//, 'nothing of another origin');
  assert.equal((await fetch(`${server.url}/nothing`)).status, 404);
  assert.equal((await fetch(`${server.url}/%2e%2e/package.json`)).status, 404);
});

test('it only reads: other methods are refused, HEAD has no body', async () => {
  await using server = await serve(new RunView('shop', new RunState()));
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const response = await fetch(`${server.url}/status.json`, { method });
    assert.deepEqual([response.status, response.headers.get('allow')], [405, 'GET, HEAD'], method);
  }
  const head = await fetch(`${server.url}/metrics`, { method: 'HEAD' });
  assert.deepEqual([head.status, await head.text()], [200, '']);
});

test('a page of elsewhere that has its name point here is refused', async () => {
  await using server = await serve(new RunView('shop', new RunState()));
  assert.equal(await statusAs(`${server.url}/status.json`, 'evil.example'), 421);
  assert.equal(await statusAs(`${server.url}/status.json`, 'localhost:8377'), 200);
  await using open = await serve(new RunView('shop', new RunState()), '0.0.0.0:0');
  const port = new URL(open.url).port;
  assert.equal(await statusAs(`http://127.0.0.1:${port}/status.json`, 'status.example'), 200, 'asked for in the file');
});

test('an address in use, one of another machine and an impossible port are one error; the end closes the port', async () => {
  const view = new RunView('shop', new RunState());
  const first = await serve(view);
  const { host } = new URL(first.url);
  await assert.rejects(serve(view, host), { code: 'PGS6080', message: /in use/ });
  await assert.rejects(serve(view, '192.0.2.1:8377'), { code: 'PGS6080' });
  await assert.rejects(serve(view, '127.0.0.1:99999'), { code: 'PGS6080' });
  const waiting = await fetch(`${first.url}/healthz`);
  await waiting.text();
  await first[Symbol.asyncDispose]();
  await assert.rejects(fetch(`${first.url}/healthz`));
  await using again = await serve(view, host);
  assert.equal((await fetch(`${again.url}/healthz`)).status, 200);
});

test('ready is a run that follows and arrives; each reason against it has its code', async () => {
  const view = new RunView('shop', new RunState());
  const codes = (now = Date.now()) => reasonsAgainst(view, now).map(({ code }) => code);
  assert.deepEqual(codes(), ['not-following']);
  view.run.enter('follow');
  assert.deepEqual(codes(), []);
  await using server = await serve(view);
  assert.deepEqual(await (await fetch(`${server.url}/readyz`)).json(), { ready: true, reasons: [] });
  view.retrying = 'PGS2005';
  view.sourceError = 'PGS2001';
  view.walStatus = 'lost';
  const sink = view.sink('warehouse');
  sink.retrying = 'PGS2005';
  view.run.setDurable(sink.name, 0n);
  sink.commitTime = BigInt(Date.now() - 3_600_000) * 1000n;
  view.sourcePosition = 1n << 40n;
  assert.deepEqual(codes(), ['stream-retrying', 'source-unreachable', 'slot-lost', 'sink-retrying', 'behind']);
  const response = await fetch(`${server.url}/readyz`);
  assert.equal(response.status, 503);
  assert.equal(((await response.json()) as { reasons: unknown[] }).reasons.length, 5);
  view.sourcePosition = 1000n;
  assert.ok(!codes().includes('behind'), 'an hour without transactions and nothing to read is not behind');
});

test('the past is asked for from a moment on', async () => {
  const view = new RunView('shop', new RunState());
  const moment = {
    lagBytes: 1,
    lagSeconds: null,
    changes: 2,
    transactions: 1,
    copyBytes: 0,
    retainedBytes: 5,
    limitBytes: 9,
  };
  for (const at of [1000, 2000, 3000]) view.history.note({ at, ...moment });
  await using server = await serve(view);
  const past = (await (await fetch(`${server.url}/history.json?since=1000`)).json()) as {
    columns: string[];
    rows: unknown[][];
  };
  assert.deepEqual(
    past.rows.map((row) => row[past.columns.indexOf('at')]),
    [2000, 3000],
  );
  assert.equal(past.rows[0]![past.columns.indexOf('lagSeconds')], null);
});

test('the timeline has what happened, the same again as one with a count, in bounded memory', async () => {
  const view = new RunView('shop', new RunState());
  const events = new RunEvents();
  view.events = events;
  const silent = { child: () => silent, log: () => {} };
  const log = recording(silent, events).child({ part: 'x' });
  log.log('info', 'run-started', 'pipeline shop');
  log.log('info', 'progress', 'follow');
  log.log('debug', 'watch-failed', 'no');
  for (let i = 0; i < 3; i++) log.log('warn', 'stream-retry', `attempt ${i}`);
  await using server = await serve(view);
  const ask = async (since: number) =>
    ((await (await fetch(`${server.url}/events.json?since=${since}`)).json()) as { events: RunEvent[] }).events;
  const all = await ask(0);
  assert.deepEqual(
    all.map(({ event, count, message }) => [event, count, message]),
    [
      ['run-started', 1, 'pipeline shop'],
      ['stream-retry', 3, 'attempt 2'],
    ],
  );
  log.log('warn', 'stream-retry', 'attempt 3');
  assert.deepEqual(
    (await ask(all[1]!.id)).map(({ count }) => count),
    [4],
  );
  for (let i = 0; i < 1000; i++) log.log('info', `event-${i}`, 'x');
  assert.ok((await ask(0)).length <= 300);
});
