import assert from 'node:assert/strict';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { freePort } from '../../core/servers/free-port.ts';
import { CliProcess } from '../support/cli.ts';
import { brokers, kafkaAvailable } from '../support/kafka.ts';
import { onlyLong } from '../support/long.ts';
import { database, server } from '../support/servers.ts';

const folder = fileURLToPath(new URL('../../configs/scale-out/', import.meta.url));

interface Service {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly deploy?: { readonly replicas?: number };
}

/** A service that is started again when it fails (`restart: on-failure`), in the order in which nothing waits for another. */
class Container {
  #current: CliProcess;
  #over = false;
  readonly ended: Promise<number | null>;
  readonly #start: () => CliProcess;

  constructor(start: () => CliProcess) {
    this.#start = start;
    this.#current = start();
    this.ended = this.#supervise();
  }

  get current(): CliProcess {
    return this.#current;
  }

  stop(signal: NodeJS.Signals): Promise<number | null> {
    this.#over = true;
    this.#current.process.kill(signal);
    return this.ended;
  }

  async #supervise(): Promise<number | null> {
    for (;;) {
      const { code } = await this.#current.ended;
      if (code === 0 || this.#over) return code;
      await sleep(300);
      this.#current = this.#start();
    }
  }
}

if (await kafkaAvailable()) {
  test('the services of configs/scale-out, as processes: a reader and three appliers, verify, cutover', {
    skip: onlyLong,
  }, async () => {
    const { services } = parse(await readFile(join(folder, 'docker-compose.yml'), 'utf8')) as {
      services: Record<string, Service>;
    };
    const major = (name: string) => Number(/^postgres:(\d+)/.exec(services[name]!.image!)![1]);
    const source = await database(await server(major('source')));
    const target = await database(await server(major('target')));
    const sql = (name: string) => readFile(join(folder, name), 'utf8');
    await source.query(`${await sql('tables.sql')}; ${await sql('rows.sql')}`);
    await target.query(await sql('tables.sql'));
    const [broker] = await brokers();
    const inPlace = (text: string) =>
      text
        .replace(/^postgres:.*@source\/.*/, source.url)
        .replace(/^postgres:.*@target\/.*/, target.url)
        .replace('kafka:9092', broker!);
    const environment = (name: string) =>
      Object.fromEntries(
        Object.entries(services[name]!.environment ?? {}).map(([key, value]) => [key, inPlace(value)]),
      );
    /** Each container has a port 8377 of its own. */
    const mounted = async () => {
      const copy = await mkdtemp(join(tmpdir(), 'pgsluice-stack-'));
      after(() => rm(copy, { recursive: true, force: true }));
      await cp(folder, copy, { recursive: true });
      for (const name of ['reader.yaml', 'apply.yaml']) {
        const text = await readFile(join(copy, name), 'utf8');
        await writeFile(join(copy, name), text.replace('0.0.0.0:8377', `127.0.0.1:${await freePort()}`));
      }
      return copy;
    };
    const run = async (name: string, command = services[name]!.command!) => {
      const at = await mounted();
      const args = command.map((word) => (word.endsWith('.yaml') ? join(at, word) : word));
      return () => new CliProcess(args, environment(name));
    };
    const names = ['reader', ...Array.from({ length: services['apply']!.deploy!.replicas! }, () => 'apply')];
    const containers = await Promise.all(names.map(async (name) => new Container(await run(name))));
    await using _left = { [Symbol.asyncDispose]: async () => void containers.map((one) => one.stop('SIGKILL')) };
    const streaming = () => containers.every(({ current }) => current.events('stream-started').length > 0);
    while (!streaming()) await sleep(100);
    await source.query(
      `UPDATE orders SET total = total + 1 WHERE id % 10 = 0; DELETE FROM visit WHERE page = '/shop/7'; INSERT INTO customer VALUES (0, 'new', '2026-01-01')`,
    );
    const one = async (command: readonly string[]) => {
      const { code, stdout, stderr } = await (await run('reader', command))().ended;
      assert.equal(code, 0, stdout + stderr);
      return stdout;
    };
    await one(['verify', 'apply.yaml']);
    assert.match(await one(['cutover', 'apply.yaml']), /^GO/m);
    for (const table of ['customer', 'orders', 'visit']) {
      const digest = `SELECT count(*)::int AS rows, sum(hashtextextended(t::text, 1)::numeric)::text AS sum FROM ${table} t`;
      assert.deepEqual(await target.query(digest), await source.query(digest));
    }
    // The reader's run ended at the barrier, with 0: it is not started again.
    assert.equal(await containers[0]!.ended, 0);
    for (const applier of containers.slice(1)) assert.equal(await applier.stop('SIGTERM'), 0);
  });
}
