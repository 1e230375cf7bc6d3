import { execFile } from 'node:child_process';
import { access, mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { after } from 'node:test';
import { promisify } from 'node:util';
import { LocalRegistry, registryVersion } from '../../scripts/kafka/registry.ts';

const run = promisify(execFile);
const sources = join(import.meta.dirname, 'registry-reader');
const cache = join(import.meta.dirname, '..', '..', '.cache', 'registry-reader');
let shared: Promise<LocalRegistry> | null = null;

/**
 * The registry that tests of a file share, an Apicurio Registry from Maven; and why there is none. To be called at the top of a file.
 */
export async function registry(): Promise<LocalRegistry | string> {
  try {
    await compiled();
    shared ??= LocalRegistry.start();
    const started = await shared;
    after(() => started.remove());
    return started;
  } catch (error) {
    return (error as Error).message.slice(0, 300);
  }
}

/** Why its Java serializers are not to be had; null: they are. */
export async function missingSerializers(): Promise<string | null> {
  return compiled().then(
    () => null,
    (error: Error) => error.message.slice(0, 300),
  );
}

export interface JavaRecord {
  readonly key: string | null;
  readonly value: string | null;
  /** Of Avro: the schemas that AvroData makes of what was read. */
  readonly keySchema: string | null;
  readonly valueSchema: string | null;
}

/** The records of a topic of one partition as the registry's own Java deserializers read them; see registry-reader/Reader.java. */
export async function readWithJava(
  from: { readonly brokers: string; readonly registry: LocalRegistry },
  format: 'avro' | 'protobuf',
  topic: string,
): Promise<readonly JavaRecord[]> {
  const stdout = await java(['Reader', from.brokers, from.registry.own, format, topic], '');
  const lines = stdout.split('\n').filter((line) => line.startsWith('['));
  return lines.map((line) => {
    const [key, keySchema, value, valueSchema] = JSON.parse(line) as (string | null)[];
    return { key: key!, keySchema: keySchema!, value: value!, valueSchema: valueSchema! };
  });
}

/** The Avro schema and the bytes (hex) that AvroData makes of Connect's JSON with schema and payload. */
export async function avroDataOf(
  lines: readonly string[],
): Promise<readonly (readonly [schema: string, hex: string])[]> {
  const stdout = await java(['ConnectToAvro'], lines.map((line) => `${line}\n`).join(''));
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => line.split('\t') as [string, string]);
}

async function java(args: readonly string[], input: string): Promise<string> {
  const classes = await compiled();
  const options = ['-Xmx256m', '-XX:TieredStopAtLevel=1', '-cp', `${join(classes, 'jars', '*')}:${classes}`];
  const running = run('java', [...options, ...args], { maxBuffer: 256 << 20, env: { ...process.env, TZ: 'UTC' } });
  running.child.stdin?.end(input);
  return (await running).stdout;
}

/** Of several processes, the first gives the folder its name. */
async function compiled(): Promise<string> {
  const folder = join(cache, registryVersion);
  const there = () =>
    access(join(folder, 'ConnectToAvro.class')).then(
      () => true,
      () => false,
    );
  if (await there()) return folder;
  const fresh = `${folder}.${process.pid}`;
  await mkdir(fresh, { recursive: true });
  const maven = ['-B', '-q', '-f', join(sources, 'pom.xml'), `-Dregistry.version=${registryVersion}`];
  const jars = join(fresh, 'jars');
  await run('mvn', [...maven, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${jars}`]);
  const programs = ['Reader.java', 'ConnectToAvro.java'].map((name) => join(sources, name));
  await run('javac', ['-cp', join(jars, '*'), '-d', fresh, ...programs]);
  await rename(fresh, folder).catch(() => rm(fresh, { recursive: true, force: true }));
  return folder;
}
