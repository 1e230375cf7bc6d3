import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  appendFile,
  chmod,
  chown,
  lchown,
  mkdir,
  mkdtemp,
  open,
  readdir,
  readFile,
  rm,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type Account, reachable, serverAccount } from './account.ts';
import { findBinaries, installHint } from './binaries.ts';
import { freePort } from './free-port.ts';
import { watch } from './watchdog.ts';

export interface LocalServerOptions {
  /** Null: whichever is there. */
  readonly major: number | null;
  /** Lines of postgresql.conf on top of ours. */
  readonly settings?: Readonly<Record<string, string>>;
}

const password = 'local-only';
const defaults: Record<string, string> = {
  wal_level: 'logical',
  max_wal_senders: '60',
  max_replication_slots: '60',
  max_connections: '200',
  listen_addresses: "'127.0.0.1'",
  shared_buffers: '128MB',
  log_min_messages: 'warning',
};

/**
 * A throw-away PostgreSQL server on the loopback interface, in a temporary folder, with superuser `postgres`. Used by
 * `pgsluice demo` and by the tests. It ends with this process, however that ends.
 */
export class LocalServer implements AsyncDisposable {
  readonly major: number;
  readonly port: number;
  readonly directory: string;
  readonly #bin: string;
  readonly #account: Account | null;
  readonly #directories: readonly string[];
  #process: ChildProcess | null = null;
  #watchdog: ChildProcess | null = null;

  private constructor(at: {
    major: number;
    port: number;
    directory: string;
    bin: string;
    copied: string | null;
    account: Account | null;
  }) {
    this.major = at.major;
    this.port = at.port;
    this.directory = at.directory;
    this.#bin = at.bin;
    this.#account = at.account;
    this.#directories = at.copied === null ? [at.directory] : [at.directory, at.copied];
  }

  /** Initialises and starts a server. Throws an Error that says what to install when there are no programs for it. */
  static async start(options: LocalServerOptions): Promise<LocalServer> {
    const found = await findBinaries(options.major);
    if (found === null) {
      throw new Error(`no PostgreSQL ${options.major ?? ''} server programs found; install them: ${installHint}`);
    }
    const account = await serverAccount();
    const { bin, copied } = await reachable(found.bin, account);
    const directory = await mkdtemp(join(tmpdir(), `pgsluice-pg${found.major}-`));
    const server = new LocalServer({ major: found.major, port: await freePort(), directory, bin, copied, account });
    try {
      await server.#initialise(options.settings ?? {});
      await server.startAgain();
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  /**
   * A server of the same programs in a folder of its own, on data that `fill` puts there (a base backup), with lines of
   * postgresql.conf on top of those of the data.
   */
  async another(
    fill: (data: string) => Promise<void>,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<LocalServer> {
    const directory = await mkdtemp(join(tmpdir(), `pgsluice-pg${this.major}-`));
    const at = { major: this.major, bin: this.#bin, account: this.#account, copied: null };
    const server = new LocalServer({ ...at, port: await freePort(), directory });
    try {
      await server.#fill(fill);
      await server.#configure({ port: String(server.port), ...settings });
      await server.startAgain();
    } catch (error) {
      await server.remove();
      throw error;
    }
    return server;
  }

  async #fill(fill: (data: string) => Promise<void>): Promise<void> {
    const data = join(this.directory, 'data');
    await chmod(this.directory, 0o755);
    await mkdir(data, { mode: 0o700 });
    await fill(data);
    if (this.#account === null) return;
    const { uid, gid } = this.#account;
    for (const path of ['.', ...(await readdir(this.directory, { recursive: true }))])
      await lchown(join(this.directory, path), uid, gid);
  }

  async #configure(settings: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(settings).map(([k, v]) => `${k} = ${v}\n`);
    await appendFile(join(this.directory, 'data', 'postgresql.conf'), lines.join(''));
  }

  /** Connection URL of a database of this server. */
  url(database = 'postgres', user = 'postgres', secret: string = password): string {
    return `postgres://${user}:${secret}@127.0.0.1:${this.port}/${database}`;
  }

  get pid(): number | null {
    return this.#process?.pid ?? null;
  }

  /** Starts the postmaster on the data that is there and waits until it takes connections. */
  async startAgain(): Promise<void> {
    const log = await open(join(this.directory, 'server.log'), 'a');
    const child = spawn(join(this.#bin, 'postgres'), ['-D', join(this.directory, 'data'), '-k', this.directory], {
      stdio: ['ignore', log.fd, log.fd],
      cwd: this.directory,
      detached: true,
      ...this.#account,
    });
    await log.close();
    this.#process = child;
    if (child.pid === undefined) throw new Error(`could not start ${this.#bin}/postgres`);
    this.#watchdog = watch(child.pid, this.#directories);
    child.unref();
    await this.#ready(child);
  }

  /** Ends the postmaster. `fast`: SIGINT, rolls back; `immediate`: SIGQUIT, like a crash (recovery at the next start). */
  async stop(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    const child = this.#process;
    if (child === null) return;
    this.#process = null;
    child.ref();
    // A walsender whose receiver confirms nothing holds up a fast shutdown for as long as it likes.
    const signals = mode === 'fast' ? (['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) : (['SIGQUIT', 'SIGKILL'] as const);
    for (const signal of signals) {
      if (child.exitCode !== null || child.signalCode !== null) break;
      const gone = once(child, 'exit');
      child.kill(signal);
      await Promise.race([gone, sleep(20_000, undefined, { ref: false })]);
    }
    // SIGKILL, not the end of its pipe: the data must survive a restart.
    this.#watchdog?.kill('SIGKILL');
    this.#watchdog = null;
  }

  async restart(mode: 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.stop(mode);
    await this.startAgain();
  }

  /** Stops the server and removes its folder. */
  async remove(): Promise<void> {
    await this.stop('immediate');
    // A process of a server that had to be killed may write for a moment yet.
    for (const directory of this.#directories)
      await rm(directory, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  /** Runs statements on one database and returns the rows of the last. */
  async query<T extends pg.QueryResultRow = Record<string, unknown>>(sql: string, database = 'postgres'): Promise<T[]> {
    const client = new pg.Client({ connectionString: this.url(database) });
    client.on('error', () => {});
    await client.connect();
    try {
      const result = (await client.query<T>(sql)) as pg.QueryResult<T> | pg.QueryResult<T>[];
      return Array.isArray(result) ? (result.at(-1)?.rows ?? []) : result.rows;
    } finally {
      await client.end().catch(() => {});
    }
  }

  async #initialise(settings: Readonly<Record<string, string>>): Promise<void> {
    const { directory } = this;
    const secret = join(directory, 'password');
    await writeFile(secret, password, { mode: 0o600 });
    await chmod(directory, 0o755);
    if (this.#account !== null)
      for (const path of [directory, secret]) await chown(path, this.#account.uid, this.#account.gid);
    const args = ['-D', join(directory, 'data'), '-U', 'postgres', '-E', 'UTF8', '--locale=C', '--no-sync'];
    const child = spawn(
      join(this.#bin, 'initdb'),
      [...args, '--auth-host=scram-sha-256', '--auth-local=trust', `--pwfile=${secret}`],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
        cwd: directory,
        ...this.#account,
      },
    );
    let stderr = '';
    child.stderr?.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
    const [code] = (await once(child, 'close')) as [number];
    if (code !== 0) throw new Error(`initdb failed: ${stderr.trim()}`);
    await this.#configure({ ...defaults, port: String(this.port), ...settings });
  }

  async #ready(child: ChildProcess): Promise<void> {
    const deadline = Date.now() + 60_000;
    for (;;) {
      if (child.exitCode !== null) {
        throw new Error(
          `the server ended at its start:\n${(await readFile(join(this.directory, 'server.log'), 'utf8')).slice(-2000)}`,
        );
      }
      try {
        await this.query('SELECT 1');
        return;
      } catch (error) {
        if (Date.now() > deadline) throw error;
        await sleep(20);
      }
    }
  }
}
