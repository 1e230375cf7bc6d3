import { execFile } from 'node:child_process';
import { access, mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
/** Releases and what is made of them. */
export const cacheFolder = join(import.meta.dirname, '..', '..', '.cache', 'kafka');

/** The releases that tests use: the newest line, and the last with ZooKeeper-era protocol versions. */
export const kafkaVersions = { current: '4.1.1', previous: '3.9.1' } as const;

/** Why there can be no broker here; null: there can. */
export async function missingTools(): Promise<string | null> {
  for (const tool of ['java', 'mvn']) {
    try {
      await run(tool, ['-version']);
    } catch {
      return `${tool} is not on PATH`;
    }
  }
  return null;
}

/**
 * Folder with the jars of a broker release, from .cache/kafka or resolved with Maven into it. Several processes may ask at
 * once: each resolves into a folder of its own, the first to finish gives it the name.
 */
export async function resolveKafka(version: string): Promise<string> {
  const folder = join(cacheFolder, version);
  if (await exists(join(folder, `kafka_2.13-${version}.jar`))) return folder;
  await mkdir(cacheFolder, { recursive: true });
  const fresh = join(cacheFolder, `${version}.${process.pid}`);
  const args = ['-B', '-q', '-f', join(import.meta.dirname, 'pom.xml'), `-Dkafka.version=${version}`];
  try {
    await run(
      'mvn',
      [...args, 'dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${fresh}`],
      {
        maxBuffer: 16 << 20,
      },
    );
    await rename(fresh, folder);
  } catch (error) {
    await rm(fresh, { recursive: true, force: true });
    if (await exists(join(folder, `kafka_2.13-${version}.jar`))) return folder;
    throw new Error(`Maven cannot resolve org.apache.kafka:kafka_2.13:${version}`, { cause: error });
  }
  return folder;
}

/** Class path of a folder of jars. */
export async function classPath(folder: string): Promise<string> {
  const jars = (await readdir(folder)).filter((name) => name.endsWith('.jar')).sort();
  return jars.map((name) => join(folder, name)).join(':');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
