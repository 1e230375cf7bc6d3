import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly upstream: Socket;
}

/**
 * A TCP proxy on the loopback interface that can misbehave: cut connections, or stall them (half-open: nothing is passed
 * on, neither bytes nor ends, and new connections get no answer).
 */
export class Proxy implements AsyncDisposable {
  readonly #server: Server;
  readonly #to: number;
  readonly #pairs = new Set<Pair>();
  /** Every client, also one whose pair counts as gone. */
  readonly #clients = new Set<Socket>();
  #stalled = false;

  private constructor(to: number) {
    this.#to = to;
    this.#server = createServer((client) => this.#accept(client));
  }

  /** Listens on a port of its own and passes on to `to`. */
  static async start(to: number): Promise<Proxy> {
    const proxy = new Proxy(to);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get connections(): number {
    return this.#pairs.size;
  }

  /** The URL with this proxy's port. */
  through(url: string): string {
    const changed = new URL(url);
    changed.port = String(this.port);
    return changed.href;
  }

  /** Cuts the connections that `choose` says (by their number, oldest first; default all), hard. Returns how many. */
  cut(choose: (index: number) => boolean = () => true): number {
    const chosen = [...this.#pairs].filter((_, index) => choose(index));
    for (const pair of chosen) drop(pair);
    return chosen.length;
  }

  /** From now on nothing passes. */
  stall(): void {
    this.#stalled = true;
    for (const { client, upstream } of this.#pairs) {
      client.pause();
      upstream.pause();
    }
  }

  /** Everything that waited passes. */
  thaw(): void {
    this.#stalled = false;
    for (const { client, upstream } of this.#pairs) {
      client.resume();
      upstream.resume();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    // A socket that is paused does not learn that its peer is gone, and the server waits for all of them.
    for (const client of this.#clients) client.destroy();
    await closed;
  }

  #accept(client: Socket): void {
    const upstream = connect(this.#to, '127.0.0.1');
    const pair = { client, upstream };
    this.#pairs.add(pair);
    this.#clients.add(client);
    client.on('close', () => this.#clients.delete(client));
    this.#join(pair, client, upstream);
    this.#join(pair, upstream, client);
    if (this.#stalled) {
      client.pause();
      upstream.pause();
    }
  }

  #join(pair: Pair, from: Socket, to: Socket): void {
    from.setNoDelay(true);
    from.on('data', (bytes: Buffer) => {
      if (!to.write(bytes)) from.pause();
    });
    to.on('drain', () => {
      if (!this.#stalled) from.resume();
    });
    from.on('end', () => to.end());
    from.on('error', () => {});
    from.on('close', (broken) => {
      this.#pairs.delete(pair);
      if (broken) to.destroy();
      else to.end();
    });
  }
}

/** With a reset, as a firewall does; what waits to be written is not waited for. */
function drop(pair: Pair): void {
  for (const socket of [pair.client, pair.upstream]) {
    socket.resetAndDestroy();
    socket.destroy();
  }
}
