import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = fileURLToPath(new URL('../../../', import.meta.url));

export interface Page {
  readonly file: string;
  readonly text: string;
}

/** README.md and all pages of docs/. */
export const pages: readonly Page[] = ['README.md', ...globSync('docs/**/*.md', { cwd: root }).toSorted()].map(
  (file) => ({
    file,
    text: readFileSync(join(root, file), 'utf8'),
  }),
);

export interface Block {
  /** `docs/kafka.md:12` */
  readonly at: string;
  readonly language: string;
  readonly text: string;
}

export function blocksOf({ file, text }: Page): Block[] {
  return [...text.matchAll(/^```(\w*)\n([^]*?)^```/gm)].map((match) => ({
    at: `${file}:${text.slice(0, match.index).split('\n').length}`,
    language: match[1]!,
    text: match[2]!,
  }));
}
