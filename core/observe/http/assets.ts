import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface Asset {
  readonly type: string;
  readonly body: Buffer;
}

const html = 'text/html; charset=utf-8';
const css = 'text/css; charset=utf-8';
const javascript = 'text/javascript; charset=utf-8';

/** The page and what it loads, all of it from this machine: paths to file and type. */
const own: readonly (readonly [string, string, string])[] = [
  ['/', 'page/index.html', html],
  ['/page.css', 'page/page.css', css],
  ['/page.js', 'page/page.js', javascript],
  ['/words.js', 'page/words.js', javascript],
];
const charts: readonly (readonly [string, string, string])[] = [
  ['/uplot.js', 'uPlot.iife.min.js', javascript],
  ['/uplot.css', 'uPlot.min.css', css],
];

/** Reads the page's files once: they are small, and a package that lacks one is found at the start. */
export async function loadAssets(): Promise<ReadonlyMap<string, Asset>> {
  // The charting library as the package manager has put it; its main module lies beside the files for browsers.
  const library = dirname(createRequire(import.meta.url).resolve('uplot'));
  const files = [
    ...own.map(([path, file, type]) => ({ path, type, from: fileURLToPath(new URL(file, import.meta.url)) })),
    ...charts.map(([path, file, type]) => ({ path, type, from: join(library, file) })),
  ];
  const loaded = await Promise.all(
    files.map(async ({ path, type, from }) => [path, { type, body: await readFile(from) }] as const),
  );
  return new Map(loaded);
}
