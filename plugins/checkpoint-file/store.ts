import { mkdir, open, readFile, rename, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname } from 'node:path';
import type { CheckpointMap, CheckpointStore, Json } from '../../core/api/checkpoint.ts';
import { PgsluiceError } from '../../core/base/error.ts';
import { checkpointFileError } from './errors.ts';
import { LockFile } from './lock-file.ts';

interface Content {
  readonly format: 1;
  readonly pipeline: string;
  readonly entries: Readonly<Record<string, Json>>;
}

/**
 * Core's state in one JSON file, replaced as a whole: written beside it, synced, renamed, the folder synced. Saves that
 * arrive during a write are written together in the next one.
 */
export class FileCheckpoint implements CheckpointStore {
  readonly #path: string;
  readonly #pipeline: string;
  #lock: LockFile | null = null;
  #entries: Map<string, Json> | null = null;
  #waiting: Map<string, Json> | null = null;
  #next: Promise<void> = Promise.resolve();
  #running: Promise<void> = Promise.resolve();

  constructor(path: string, pipeline: string) {
    this.#path = path;
    this.#pipeline = pipeline;
  }

  get named(): string {
    return `${hostname()}:${this.#path}`;
  }

  async place(): Promise<string> {
    return this.named;
  }

  async lock(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (this.#lock !== null) return;
    await this.#onDisk(async () => {
      await mkdir(dirname(this.#path), { recursive: true });
      this.#lock = await LockFile.take(`${this.#path}.lock`);
    });
    // Reads what another process wrote before it released the lock.
    this.#entries = null;
  }

  async load(): Promise<ReadonlyMap<string, Json>> {
    await this.#running.catch(() => {});
    this.#entries = await this.#read();
    return new Map(this.#entries);
  }

  save(entries: ReadonlyMap<string, Json>): Promise<void> {
    if (this.#waiting !== null) {
      for (const [key, value] of entries) this.#waiting.set(key, value);
      return this.#next;
    }
    const group = new Map(entries);
    this.#waiting = group;
    const before = this.#running.catch(() => {});
    this.#next = before.then(() => {
      this.#waiting = null;
      return this.#write(group);
    });
    this.#running = this.#next;
    return this.#next;
  }

  async remove(): Promise<void> {
    await this.#running.catch(() => {});
    await this.#onDisk(() => rm(this.#path, { force: true }));
    await this.#onDisk(() => rm(this.#besidePath, { force: true }));
    this.#entries = new Map();
  }

  /**
   * In a separate file: a process that wrote the state file without the lock would overwrite later changes by the
   * lock's holder.
   */
  beside(): CheckpointMap {
    return new FileCheckpoint(this.#besidePath, this.#pipeline);
  }

  get #besidePath(): string {
    return `${this.#path}.beside`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#running.catch(() => {});
    await this.#lock?.release();
    this.#lock = null;
  }

  async #write(group: ReadonlyMap<string, Json>): Promise<void> {
    await this.#lock?.verify();
    const entries = new Map(this.#entries ?? (await this.#read()));
    for (const [key, value] of group) {
      if (value === null) entries.delete(key);
      else entries.set(key, value);
    }
    const content: Content = { format: 1, pipeline: this.#pipeline, entries: Object.fromEntries(entries) };
    await this.#onDisk(() => replace(this.#path, `${JSON.stringify(content, null, 1)}\n`));
    this.#entries = entries;
  }

  async #read(): Promise<Map<string, Json>> {
    let text: string;
    try {
      text = await readFile(this.#path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new Map();
      throw checkpointFileError('PGS6073', `${this.#path} cannot be read`, { cause: error });
    }
    const content = parse(text);
    if (content === null) throw checkpointFileError('PGS6071', `${this.#path} is not a checkpoint of pgsluice`);
    if (content.pipeline !== this.#pipeline) {
      throw checkpointFileError('PGS6072', `${this.#path} belongs to pipeline ${content.pipeline}`);
    }
    return new Map(Object.entries(content.entries));
  }

  async #onDisk<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (error instanceof PgsluiceError) throw error;
      const code = (error as NodeJS.ErrnoException).code ?? 'unknown error';
      throw checkpointFileError('PGS6073', `${this.#path} cannot be written (${code})`, { cause: error });
    }
  }
}

function parse(text: string): Content | null {
  try {
    const content = JSON.parse(text) as Partial<Content> | null;
    const whole =
      content?.format === 1 &&
      typeof content.pipeline === 'string' &&
      typeof content.entries === 'object' &&
      content.entries !== null &&
      !Array.isArray(content.entries);
    return whole ? (content as Content) : null;
  } catch {
    return null;
  }
}

/** Durable when it resolves; after a crash at any point either the old file or the new one exists. */
async function replace(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const beside = `${path}.new`;
  const file = await open(beside, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(beside, path);
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
