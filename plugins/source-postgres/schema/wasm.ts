import { MessageChannel, Worker } from 'node:worker_threads';
import { destroy } from '../../../core/postgres/connect.ts';
import { sourceError } from '../errors.ts';
import { type SourceAccess, open } from '../session.ts';
import { BackendBridge } from './bridge.ts';
import { lastLines } from './native.ts';
import type { WasmWorkerData } from './wasm-worker.ts';

/** Version of the pg_dump in the package, which is pinned. */
export const wasmVersion = '18.3 (WebAssembly)';

type FromWorker =
  | { readonly kind: 'send'; readonly bytes: Uint8Array }
  | { readonly kind: 'done'; readonly text: string }
  | { readonly kind: 'failed'; readonly message: string };

/** Runs pg_dump as WebAssembly in a thread, its wire protocol bridged to a connection that pg has authenticated. */
export async function runWasm(access: SourceAccess, args: readonly string[], signal: AbortSignal): Promise<string> {
  signal.throwIfAborted();
  const client = await open(access);
  const { rows } = await client.query<{ server_version: string }>('SHOW server_version');
  const bridge = new BackendBridge(client, rows[0]!.server_version);
  const { port1, port2 } = new MessageChannel();
  const bell = new SharedArrayBuffer(4);
  const data: WasmWorkerData = { port: port2, bell, args };
  const file = new URL('./wasm-worker.ts', import.meta.url);
  const worker = new Worker(file, { workerData: data, transferList: [port2], stdout: true, stderr: true });
  const answer = (reply: { bytes: Uint8Array } | { error: string }): void => {
    port1.postMessage(reply);
    Atomics.store(new Int32Array(bell), 0, 1);
    Atomics.notify(new Int32Array(bell), 0);
  };
  let abort: () => void = () => {};
  try {
    return await new Promise<string>((resolve, reject) => {
      abort = () => reject(signal.reason);
      signal.addEventListener('abort', abort, { once: true });
      // There was no listener while the connection was made.
      if (signal.aborted) abort();
      worker.on('error', reject);
      worker.on('exit', (code) => reject(failed(`the thread of pg_dump ended (${code})`)));
      port1.on('message', (message: FromWorker) => {
        if (message.kind === 'done') resolve(message.text);
        else if (message.kind === 'failed') reject(failed(message.message));
        else {
          bridge.exchange(Buffer.from(message.bytes)).then(
            (bytes) => answer({ bytes }),
            (error: unknown) => {
              answer({ error: String(error) });
              reject(error);
            },
          );
        }
      });
    });
  } finally {
    signal.removeEventListener('abort', abort);
    port1.close();
    await worker.terminate();
    destroy(client);
  }
}

function failed(message: string): Error {
  return sourceError('PGS2130', `pg_dump ${wasmVersion}: ${lastLines(message)}`);
}
