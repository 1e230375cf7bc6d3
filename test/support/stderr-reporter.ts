import { resolve } from 'node:path';
import type { TestEvent } from 'node:test/reporters';

/**
 * A reporter beside `spec`: what failing files wrote to stderr, once more at the end. A file that throws outside of a test
 * fails as "test failed", and its reason stands only there.
 */
export default async function* failedStderr(source: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const texts = new Map<string, string>();
  const failed = new Set<string>();
  for await (const event of source) {
    if (event.type === 'test:stderr') {
      const file = resolve(event.data.file);
      texts.set(file, ((texts.get(file) ?? '') + event.data.message).slice(-20_000));
    }
    if (event.type === 'test:fail' && event.data.file !== undefined) failed.add(resolve(event.data.file));
  }
  for (const file of failed) {
    const text = texts.get(file);
    if (text !== undefined) yield `\nstderr of ${file}:\n${text}\n`;
  }
}
