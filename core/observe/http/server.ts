import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { momentColumns } from '../../pipeline/progress/history.ts';
import type { PromMetrics } from '../metrics.ts';
import type { RunView } from '../../pipeline/progress/run-view.ts';
import { statusRecord } from '../../pipeline/progress/status-record.ts';
import { type Address, isLocalName, isLoopback, readAddress } from './address.ts';
import { type Asset, loadAssets } from './assets.ts';
import { httpError } from './errors.ts';
import { reasonsAgainst } from './readiness.ts';

export interface HttpOptions {
  /** `HOST:PORT`; port 0 takes a free one. */
  readonly address: string;
  readonly view: RunView;
  readonly metrics: PromMetrics;
}

export interface HttpServer extends AsyncDisposable {
  /** Where it is to be found: `http://127.0.0.1:8377`. */
  readonly url: string;
}

/** What no answer goes without: nothing from elsewhere is loaded, nothing is kept, nobody frames it. */
const headers: Readonly<Record<string, string>> = {
  'cache-control': 'no-store',
  'content-security-policy':
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; frame-ancestors 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
};

interface Answer {
  readonly status: number;
  readonly type: string;
  readonly body: string | Buffer;
  readonly more?: Readonly<Record<string, string>>;
}

/**
 * The run for browsers and monitoring. It only reads: whatever it is asked, nothing changes. Throws PGS6080 where the
 * address cannot be opened.
 */
export async function serveHttp(options: HttpOptions): Promise<HttpServer> {
  const address = readAddress(options.address);
  const assets = await loadAssets();
  const local = isLoopback(address.host);
  const server = createServer((request, response) => {
    answer(request, { ...options, assets, local }).then(
      (made) => send(request, response, made),
      () => send(request, response, text(500, 'failed')),
    );
  });
  await listen(server, address);
  // The run ends when it is done, not when the last browser has gone.
  server.unref();
  const { port } = server.address() as AddressInfo;
  const host = address.host.includes(':') ? `[${address.host}]` : address.host;
  return {
    url: `http://${host}:${port}`,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, { host, port }: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const why = { EADDRINUSE: 'it is in use', EACCES: 'permission denied', EADDRNOTAVAIL: 'not of this machine' };
      const code = cause.code ?? '';
      const words = why[code as keyof typeof why] ?? code;
      reject(httpError('PGS6080', `cannot serve http on ${host}:${port}: ${words}`, { cause }));
    });
    if (port > 65_535) reject(httpError('PGS6080', `cannot serve http on ${host}:${port}: ports end at 65535`));
    else server.listen(port, host, resolve);
  });
}

interface Serving extends HttpOptions {
  readonly assets: ReadonlyMap<string, Asset>;
  readonly local: boolean;
}

async function answer(request: IncomingMessage, serving: Serving): Promise<Answer> {
  const { view, metrics } = serving;
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return { ...text(405, 'only GET: nothing here changes anything'), more: { allow: 'GET, HEAD' } };
  }
  if (serving.local && !isLocalName(request.headers.host)) return text(421, 'not a name of this machine');
  const url = URL.parse(request.url ?? '/', 'http://localhost');
  if (url === null) return text(400, 'not a path');
  switch (url.pathname) {
    case '/metrics':
      return { status: 200, type: metrics.contentType, body: await metrics.text() };
    case '/healthz':
      return json(200, { status: 'ok', phase: view.phase });
    case '/readyz': {
      const reasons = reasonsAgainst(view, Date.now());
      return json(reasons.length === 0 ? 200 : 503, { ready: reasons.length === 0, reasons });
    }
    case '/status.json':
      return json(200, statusRecord(view));
    case '/history.json':
      return json(200, { columns: momentColumns, rows: view.history.rows(Number(url.searchParams.get('since') ?? 0)) });
    case '/events.json':
      return json(200, { events: view.events?.since(Number(url.searchParams.get('since') ?? 0)) ?? [] });
    default: {
      const asset = serving.assets.get(url.pathname);
      return asset === undefined ? text(404, 'not found') : { status: 200, ...asset };
    }
  }
}

function json(status: number, value: unknown): Answer {
  return { status, type: 'application/json; charset=utf-8', body: `${JSON.stringify(value)}\n` };
}

function text(status: number, words: string): Answer {
  return { status, type: 'text/plain; charset=utf-8', body: `${words}\n` };
}

function send(request: IncomingMessage, response: ServerResponse, { status, type, body, more }: Answer): void {
  response.writeHead(status, { ...headers, ...more, 'content-type': type, 'content-length': Buffer.byteLength(body) });
  response.end(request.method === 'HEAD' ? undefined : body);
}
