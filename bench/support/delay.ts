import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

/** More bytes than this on their way, and the sender is no longer read. */
const room = 64 << 20;

/** A TCP proxy on the loopback interface that keeps every byte back for some milliseconds each way, as a long line does. */
export class Delay implements AsyncDisposable {
  readonly port: number;
  readonly #close: () => Promise<void>;

  private constructor(port: number, close: () => Promise<void>) {
    this.port = port;
    this.#close = close;
  }

  static async start(to: number, ms: number): Promise<Delay> {
    const sockets = new Set<Socket>();
    const server = createServer((client) => {
      const upstream = connect(to, '127.0.0.1');
      for (const socket of [client, upstream]) {
        socket.setNoDelay(true);
        socket.on('error', () => {});
        socket.on('close', () => sockets.delete(socket));
        sockets.add(socket);
      }
      late(client, upstream, ms);
      late(upstream, client, ms);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const close = () => {
      for (const socket of sockets) socket.destroy();
      return new Promise<void>((resolve) => server.close(() => resolve()));
    };
    return new Delay((server.address() as AddressInfo).port, close);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

function late(from: Socket, to: Socket, ms: number): void {
  let bytes = 0;
  from.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes > room) from.pause();
    setTimeout(() => {
      bytes -= chunk.length;
      if (bytes <= room && from.isPaused()) from.resume();
      to.write(chunk);
    }, ms);
  });
  from.on('close', () => setTimeout(() => to.end(), ms));
}
