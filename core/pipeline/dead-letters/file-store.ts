import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { DeadLetter, DeadLetterStore } from '../../api/dead-letter.ts';

/** Appends JSON lines, and syncs the file. Readable by its owner only, as letters hold rows. */
export class FileStore implements DeadLetterStore {
  readonly #path: string;
  #file: FileHandle | null = null;

  constructor(path: string) {
    this.#path = path;
  }

  async write(letters: readonly DeadLetter[]): Promise<void> {
    try {
      this.#file ??= await openAtEnd(this.#path);
      await this.#file.appendFile(letters.map(({ json }) => `${json}\n`).join(''));
      await this.#file.sync();
    } catch (error) {
      // Part of a line may have been written: the next open ends it.
      await this[Symbol.asyncDispose]().catch(() => {});
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = this.#file;
    this.#file = null;
    await file?.close();
  }
}

/**
 * A line that a crash cut off must not absorb the next one; its letter is written again, as its position was not saved.
 */
async function openAtEnd(path: string): Promise<FileHandle> {
  const file = await open(path, 'a+', 0o600);
  try {
    const { size } = await file.stat();
    if (size === 0) await syncFolder(dirname(path));
    else {
      const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
      if (buffer[0] !== 0x0a) await file.appendFile('\n');
    }
    return file;
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** The name of a new file is durable only with its folder. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
