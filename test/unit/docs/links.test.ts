import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';
import { pages as ordered } from '../../../site/pages.ts';
import { pages, root } from './pages.ts';

/** Links of README.md and docs/ to files and headings of the repository. `npm run docs` holds the pages of the site against each other. */
const links = pages.flatMap(({ file, text }) =>
  [...text.replace(/^```[^]*?^```/gm, '').matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, href]) => ({ file, href: href! }))
    .filter(({ href }) => !/^[a-z]+:/.test(href)),
);

/** As VitePress and forges make them. */
function anchorsOf(text: string): string[] {
  return [...text.replace(/^```[^]*?^```/gm, '').matchAll(/^#{1,6} (.+)$/gm)].map(([, title]) =>
    title!
      .toLowerCase()
      .replace(/[`*]/g, '')
      .replace(/[^\p{L}\p{N}\s_-]+/gu, ' ')
      .trim()
      .replace(/\s+/g, '-'),
  );
}

test('every link leads to a file that is there, and to a heading of it', () => {
  assert.ok(links.length > 100);
  const problems = links.flatMap(({ file, href }) => {
    const [path, anchor] = href.split('#');
    const to = path === '' ? file : normalize(join(dirname(file), path!));
    if (!existsSync(join(root, to))) return [`${file}: ${href}: no such file`];
    if (anchor === undefined) return [];
    const page = pages.find((one) => one.file === to);
    return page !== undefined && !anchorsOf(page.text).includes(anchor) ? [`${file}: ${href}: no such heading`] : [];
  });
  assert.deepEqual(problems, []);
});

test('the site has every page of docs/ once', () => {
  const listed = ordered.flatMap(({ items }) => items.map(({ link }) => `docs${link === '/' ? '/index' : link}.md`));
  const there = pages.map(({ file }) => file).filter((file) => file !== 'README.md');
  assert.deepEqual(listed.toSorted(), there.toSorted());
});

test('every page has one title', () => {
  const titles = pages.map(
    ({ file, text }) => [file, text.replace(/^```[^]*?^```/gm, '').match(/^# /gm)?.length] as const,
  );
  assert.deepEqual(
    titles.filter(([, count]) => count !== 1),
    [],
  );
});
