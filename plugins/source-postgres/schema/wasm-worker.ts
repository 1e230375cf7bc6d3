import { type MessagePort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { pgDump } from '@electric-sql/pglite-tools/pg_dump';

/** The data with which the worker is started. */
export interface WasmWorkerData {
  readonly port: MessagePort;
  /** One int32 that the other side sets to 1 when the port has an answer. */
  readonly bell: SharedArrayBuffer;
  readonly args: readonly string[];
}

/**
 * pg_dump as WebAssembly calls its server synchronously, which JavaScript cannot do on a socket: this thread sends
 * pg_dump's output to the main thread and sleeps until the answer arrives.
 */
const { port, bell, args } = workerData as WasmWorkerData;
const flag = new Int32Array(bell);

const server = {
  // The package saves and restores the search path of the database that it assumes; ours is a remote one.
  query: async () => ({ rows: [{ search_path: '' }] }),
  exec: async () => [],
  execProtocolRawStream(bytes: Uint8Array, { onRawData }: { onRawData: (bytes: Uint8Array) => void }): void {
    Atomics.store(flag, 0, 0);
    // A view of the program's memory, which is reused: copied.
    port.postMessage({ kind: 'send', bytes: bytes.slice() });
    const answer = awaited();
    if (answer.bytes === undefined) throw new Error(answer.error ?? 'no answer from the server');
    if (answer.bytes.length > 0) onRawData(answer.bytes);
  },
};

interface Answer {
  readonly bytes?: Uint8Array;
  readonly error?: string;
}

/**
 * Once, on a busy machine, there was no message when the wait ended; the cause is unknown. The starter ends a wait that
 * is in vain.
 */
function awaited(): Answer {
  for (;;) {
    Atomics.wait(flag, 0, 0);
    const received = receiveMessageOnPort(port);
    if (received !== undefined) return received.message as Answer;
    Atomics.wait(flag, 0, 1, 1);
  }
}

try {
  const file = await pgDump({ pg: server as unknown as Parameters<typeof pgDump>[0]['pg'], args: [...args] });
  port.postMessage({ kind: 'done', text: await file.text() });
} catch (error) {
  port.postMessage({ kind: 'failed', message: error instanceof Error ? error.message : String(error) });
}
// Stays until the other side ends it: the thread's end could overtake its last message.
port.on('message', () => {});
