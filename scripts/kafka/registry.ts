import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { access, mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '../../core/servers/free-port.ts';
import { watch } from '../../core/servers/watchdog.ts';

const run = promisify(execFile);
const cache = join(import.meta.dirname, '..', '..', '.cache', 'registry');
/** The last line that runs on Java 17; it speaks Confluent's API at /apis/ccompat/v7. */
export const registryVersion = '2.6.13.Final';

/** An Apicurio Registry on the loopback interface, in memory; ends with this process, however that ends. */
export class LocalRegistry implements AsyncDisposable {
  readonly port: number;
  readonly #directory: string;
  readonly #process: ChildProcess;
  readonly #watchdog: ChildProcess;

  private constructor(at: { port: number; directory: string; process: ChildProcess; watchdog: ChildProcess }) {
    this.port = at.port;
    this.#directory = at.directory;
    this.#process = at.process;
    this.#watchdog = at.watchdog;
  }

  static async start(): Promise<LocalRegistry> {
    const folder = await resolveRegistry();
    const directory = await mkdtemp(join(tmpdir(), 'pgsluice-registry-'));
    const log = await open(join(directory, 'registry.log'), 'a');
    const port = await freePort();
    const settings = {
      QUARKUS_HTTP_HOST: '127.0.0.1',
      QUARKUS_HTTP_PORT: String(port),
      CCOMPAT_USE_CANONICAL_HASH: 'false',
    };
    const jar = `apicurio-registry-app-${registryVersion}-runner.jar`;
    const child = spawn('java', ['-Xmx384m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-jar', jar], {
      cwd: folder,
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, ...settings },
      detached: true,
    });
    await log.close();
    if (child.pid === undefined) throw new Error('could not start java');
    child.unref();
    const watchdog = watch(child.pid, [directory]);
    const registry = new LocalRegistry({ port, directory, process: child, watchdog });
    await registry.#ready();
    return registry;
  }

  /** Of Confluent's API. */
  get url(): string {
    return `http://127.0.0.1:${this.port}/apis/ccompat/v7`;
  }

  /** Of the registry's own API, which its serializers speak. */
  get own(): string {
    return `http://127.0.0.1:${this.port}/apis/registry/v2`;
  }

  async remove(): Promise<void> {
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      this.#process.ref();
      this.#process.kill('SIGKILL');
      await once(this.#process, 'exit');
    }
    this.#watchdog.kill('SIGKILL');
    await rm(this.#directory, { recursive: true, force: true });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.remove();
  }

  async #ready(): Promise<void> {
    for (const end = Date.now() + 120_000; Date.now() < end; await sleep(300)) {
      if (this.#process.exitCode !== null) break;
      const answer = await fetch(`${this.url}/subjects`).catch(() => null);
      if (answer?.ok === true) return;
    }
    const log = await readFile(join(this.#directory, 'registry.log'), 'utf8');
    await this.remove();
    throw new Error(`the registry did not start:\n${log.slice(-3000)}`);
  }
}

/** Folder with the program, from .cache/registry or resolved with Maven into it; of several processes the first gives it its name. */
async function resolveRegistry(): Promise<string> {
  const folder = join(cache, registryVersion);
  const there = () =>
    access(join(folder, 'lib')).then(
      () => true,
      () => false,
    );
  if (await there()) return folder;
  await mkdir(cache, { recursive: true });
  const fresh = join(cache, `${registryVersion}.${process.pid}`);
  await mkdir(fresh);
  try {
    const artifact = `io.apicurio:apicurio-registry-app:${registryVersion}:tar.gz:all`;
    const args = ['-B', '-q', 'dependency:copy', `-Dartifact=${artifact}`, `-DoutputDirectory=${fresh}`];
    await run('mvn', args, { maxBuffer: 16 << 20 });
    const archive = join(fresh, `apicurio-registry-app-${registryVersion}-all.tar.gz`);
    await run('tar', ['-xzf', archive, '-C', fresh]);
    await rm(archive);
    await rename(fresh, folder);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (await there()) return folder;
    throw new Error(`Maven cannot resolve the registry ${registryVersion}`, { cause: error });
  }
  return folder;
}
