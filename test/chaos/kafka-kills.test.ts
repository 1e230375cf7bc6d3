import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { ownBroker, ownBrokersAvailable, unique } from '../support/kafka.ts';
import { readAll } from '../support/kafka-read.ts';
import { long, onlyLong, short } from '../support/long.ts';
import { readWithJava, registry } from '../support/registry.ts';

/** KAFKA_CLIENTS=kafkajs,platformatic for both. */
const clients = (process.env['KAFKA_CLIENTS'] ?? 'platformatic').split(',');
/** Kills of the sink's process: KAFKA_KILLS=20 is the long form. */
const kills = Number(process.env['KAFKA_KILLS'] ?? (long ? 3 : 2));
const script = join(import.meta.dirname, '..', 'support', 'kafka-writer.ts');
type Delivery = 'at_least_once' | 'exactly_once';

interface Writing {
  readonly child: ChildProcess;
  /** Exit code, null where it was killed. Asked for at the start: it may be over before somebody waits. */
  readonly exit: Promise<number | null>;
  /** Last transaction that the child called durable. */
  durable: number;
  readonly errors: string[];
}

function write(args: readonly (string | number)[]): Writing {
  const child = spawn(process.execPath, [script, ...args.map(String)], { stdio: ['ignore', 'pipe', 'pipe'] });
  const exit = once(child, 'close').then(([code]) => code as number | null);
  const writing: Writing = { child, exit, durable: 0, errors: [] };
  let rest = '';
  child.stdout?.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString()).split('\n');
    rest = lines.pop() ?? '';
    const last = lines.at(-1);
    if (last !== undefined) writing.durable = Number(last);
  });
  child.stderr?.on('data', (chunk: Buffer) => writing.errors.push(chunk.toString()));
  return writing;
}

function over({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function reaches(writing: Writing, transaction: number): Promise<void> {
  while (writing.durable < transaction && !over(writing.child)) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  if (writing.durable >= transaction) return;
  // What it wrote last is read before its pipes close.
  await writing.exit;
  assert.ok(writing.durable >= transaction, `ended at ${writing.durable}: ${writing.errors.join('')}`);
}

/** Every row of transactions 1 to `last` at least once; where `once`, not twice. */
function verify(records: readonly { readonly key: string | null }[], last: number, once_: boolean): void {
  const seen = new Map<string, number>();
  for (const { key } of records) seen.set(key ?? '', (seen.get(key ?? '') ?? 0) + 1);
  for (let id = 2; id < (last + 1) * 2; id++) assert.ok(seen.has(`{"id":${id}}`), `row ${id} is lost`);
  assert.equal(seen.size, last * 2);
  if (once_)
    assert.deepEqual(
      [...seen].filter(([, count]) => count !== 1),
      [],
    );
}

/** Kills the process once in each `step` of transactions, and lets the last one end. */
async function writeWithKills(args: readonly (string | number)[], more: object = {}): Promise<number> {
  const step = 25;
  const last = (kills + 1) * step;
  const all = [...args, last, JSON.stringify(more)];
  for (let kill = 1; kill <= kills; kill++) {
    const writing = write(all);
    await reaches(writing, kill * step - 5);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    writing.child.kill('SIGKILL');
    await writing.exit;
  }
  const writing = write(all);
  const code = await writing.exit;
  assert.equal(code, 0, writing.errors.join(''));
  return last;
}

if (await ownBrokersAvailable()) {
  const broker = await ownBroker();
  // With a registry and its reader in Java: what kills do to a sink is the same for JSON.
  const there = long ? await registry() : '';
  const skip = onlyLong || (typeof there === 'string' ? `A SCHEMA REGISTRY IS NOT TO BE HAD HERE: ${there}` : false);
  test(`the sink is killed ${kills} times, Avro, exactly_once: no row twice, none lost`, { skip }, async () => {
    if (typeof there === 'string') return;
    const pipeline = unique();
    const last = await writeWithKills([pipeline, broker.address, 'platformatic', 'exactly_once'], {
      registry: there.url,
    });
    const topic = `${pipeline}.public.notes`;
    const records = await readWithJava({ brokers: broker.address, registry: there }, 'avro', topic);
    verify(
      records.map(({ key }) => ({ key: /"payload":(.*)\}$/.exec(key!)![1]! })),
      last,
      true,
    );
  });
  for (const client of clients) {
    test(`the sink is killed ${kills} times, ${client}, exactly_once: no row twice, none lost`, async () => {
      const pipeline = unique();
      const last = await writeWithKills([pipeline, broker.address, client, 'exactly_once']);
      verify(await readAll([broker.address], [`${pipeline}.public.notes`]), last, true);
    });

    for (const delivery of short(1, ['exactly_once', 'at_least_once'] as Delivery[])) {
      test(`the broker is killed while ${client} writes, ${delivery}`, async () => {
        const pipeline = unique();
        const last = 200;
        const writing = write([pipeline, broker.address, client, delivery, last]);
        for (const at of short(1, [40, 110])) {
          await reaches(writing, at);
          await broker.stop('SIGKILL');
          await broker.startAgain();
        }
        const code = await writing.exit;
        assert.equal(code, 0, writing.errors.join(''));
        assert.notEqual(writing.errors.length, 0, 'the writer never met an error');
        verify(await readAll([broker.address], [`${pipeline}.public.notes`]), last, delivery === 'exactly_once');
      });
    }
  }
}
