import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import type { Logger } from '../../../../core/base/logger.ts';
import { PromMetrics } from '../../../../core/observe/metrics.ts';
import { OtlpPush } from '../../../../core/observe/otlp.ts';
import { RunView } from '../../../../core/pipeline/progress/run-view.ts';
import { RunState } from '../../../../core/pipeline/state/run-state.ts';

interface Point {
  readonly attributes: readonly { readonly key: string; readonly value: { readonly stringValue: string } }[];
  readonly startTimeUnixNano: string;
  readonly timeUnixNano: string;
  readonly asDouble: number;
}
interface Metric {
  readonly name: string;
  readonly gauge?: { readonly dataPoints: readonly Point[] };
  readonly sum?: { readonly dataPoints: readonly Point[]; aggregationTemporality: number; isMonotonic: boolean };
}
interface Message {
  readonly resourceMetrics: readonly {
    readonly resource: Pick<Point, 'attributes'>;
    readonly scopeMetrics: readonly { readonly metrics: readonly Metric[] }[];
  }[];
}
interface Got {
  readonly path: string;
  readonly headers: IncomingHttpHeaders;
  readonly message: Message;
}

/** What stands where a collector would. */
async function collector(answer: () => { readonly status: number; readonly body: string }) {
  const got: Got[] = [];
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += String(chunk);
    got.push({
      path: `${request.method} ${request.url}`,
      headers: request.headers,
      message: JSON.parse(text) as Message,
    });
    const { status, body } = answer();
    response.writeHead(status).end(body);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const close = () => void (server.closeAllConnections(), server.close());
  return { got, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

function logger(): { readonly log: Logger; readonly lines: string[] } {
  const lines: string[] = [];
  const log: Logger = { child: () => log, log: (_, event, message) => void lines.push(`${event}: ${message}`) };
  return { log, lines };
}

function shop(): PromMetrics {
  const metrics = new PromMetrics('shop');
  const view = new RunView('shop', new RunState());
  metrics.watch(view);
  view.retainedBytes = 4096;
  metrics.count('source_changes', 5, { plugin: 'source' });
  return metrics;
}

test('what /metrics holds, in the form of OTLP, with the headers of the file, and once more at the end', async () => {
  const { got, url, close } = await collector(() => ({ status: 200, body: '{}' }));
  const { log, lines } = logger();
  const began = Date.now();
  const push = new OtlpPush({
    url: `${url}/`,
    every: 3_600_000,
    headers: { 'x-key': 'k' },
    metrics: shop(),
    pipeline: 'shop',
    log,
  });
  await push[Symbol.asyncDispose]();
  close();
  assert.equal(got.length, 1);
  const { path, headers, message } = got[0]!;
  assert.deepEqual([path, headers['content-type'], headers['x-key']], ['POST /v1/metrics', 'application/json', 'k']);
  const { resource, scopeMetrics } = message.resourceMetrics[0]!;
  assert.deepEqual(resource.attributes, [
    { key: 'service.name', value: { stringValue: 'pgsluice' } },
    { key: 'service.instance.id', value: { stringValue: 'shop' } },
  ]);
  const { metrics } = scopeMetrics[0]!;
  const of = (name: string) => metrics.find((metric) => metric.name === name);
  const [kept] = of('pgsluice_slot_retained_wal_bytes')!.gauge!.dataPoints;
  assert.equal(kept!.asDouble, 4096);
  assert.deepEqual(kept!.attributes, [{ key: 'pipeline', value: { stringValue: 'shop' } }]);
  assert.match(kept!.timeUnixNano, /^\d{19}$/);
  assert.ok(Number(BigInt(kept!.timeUnixNano) / 1_000_000n) >= began);
  const { sum } = of('pgsluice_source_changes_total')!;
  assert.deepEqual([sum!.aggregationTemporality, sum!.isMonotonic, sum!.dataPoints[0]!.asDouble], [2, true, 5]);
  assert.equal(of('pgsluice_slot_safe_wal_bytes'), undefined, 'what is not known is not sent');
  for (const metric of metrics) assert.ok((metric.gauge ?? metric.sum)!.dataPoints.length > 0, metric.name);
  assert.deepEqual(lines, []);
});

test('a collector that refuses, takes a part, or is not there is told once, and again when it is back; no header is told', async () => {
  const answers = [
    { status: 503, body: 'busy' },
    { status: 200, body: '{"partialSuccess":{"rejectedDataPoints":"3","errorMessage":"no"}}' },
    { status: 200, body: '' },
  ];
  const { got, url, close } = await collector(() => answers.shift() ?? { status: 200, body: '' });
  const { log, lines } = logger();
  const options = { every: 20, headers: { 'x-key': 'secret' }, metrics: shop(), pipeline: 'shop', log };
  const push = new OtlpPush({ url, ...options });
  while (got.length < 4) await new Promise((resolve) => setTimeout(resolve, 10));
  await push[Symbol.asyncDispose]();
  close();
  assert.deepEqual(lines, [
    'otlp-failed: metrics do not reach the collector: it answered 503',
    'otlp-again: metrics reach the collector again',
  ]);
  const gone = new OtlpPush({ url, ...options, every: 3_600_000 });
  await gone[Symbol.asyncDispose]();
  assert.equal(lines.at(-1), 'otlp-failed: metrics do not reach the collector: ECONNREFUSED');
  assert.doesNotMatch(lines.join(), /secret/);
});

test('a collector that takes messages and never answers does not keep a run from ending', {
  timeout: 60_000,
}, async () => {
  const silent = createServer(() => {});
  await once(silent.listen(0, '127.0.0.1'), 'listening');
  const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const { log, lines } = logger();
  const push = new OtlpPush({ url, every: 10, headers: {}, metrics: shop(), pipeline: 'shop', log });
  await once(silent, 'request');
  const began = performance.now();
  await push[Symbol.asyncDispose]();
  assert.ok(performance.now() - began < 9000);
  silent.closeAllConnections();
  silent.close();
  assert.equal(lines.length, 1);
  assert.match(lines[0]!, /^otlp-failed: /);
});
