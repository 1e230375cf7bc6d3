import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { extname, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { pages } from '../../site/pages.ts';
import { findBrowser, startBrowser } from '../support/browser.ts';

/**
 * The site of docs/ as `npm run docs` builds it, in a real browser. It installs VitePress and takes half a minute, so it runs
 * where PGSLUICE_SITE=1 asks for it; that links lead somewhere is held in every run (unit/docs).
 */
const root = fileURLToPath(new URL('../../', import.meta.url));
const output = join(root, 'test-output');
const dist = join(root, 'site/.vitepress/dist');
const browserPath = findBrowser();
const skip =
  process.env['PGSLUICE_SITE'] !== '1' ? 'PGSLUICE_SITE=1 builds the site' : browserPath === null && 'no Chromium';
const types: Readonly<Record<string, string>> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
  '.yaml': 'text/plain',
  '.woff2': 'font/woff2',
};

async function served(): Promise<{ url: string; [Symbol.asyncDispose](): Promise<void> }> {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url!, 'http://site');
    const path = join(dist, pathname.endsWith('/') ? `${pathname}index.html` : pathname);
    const there = path.startsWith(dist) && existsSync(path) && statSync(path).isFile();
    response.writeHead(there ? 200 : 404, { 'content-type': types[extname(path)] ?? 'application/octet-stream' });
    if (there) createReadStream(path).pipe(response);
    else response.end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = () => new Promise<void>((resolve) => server.close(() => resolve()));
  return { url: `http://127.0.0.1:${port}`, [Symbol.asyncDispose]: close };
}

test('the built site: every page opens, the picture is drawn, the search finds, nothing comes from elsewhere', {
  skip,
}, async () => {
  execFileSync('npm', ['run', 'docs'], { cwd: root, stdio: ['ignore', 'ignore', 'inherit'] });
  await using site = await served();
  await using browser = await startBrowser(browserPath!);
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 } });
  const complaints: string[] = [];
  const elsewhere: string[] = [];
  page.on(
    'console',
    (message) => message.type() === 'error' && complaints.push(`${message.text()} ${message.location().url}`),
  );
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on(
    'response',
    (response) => response.status() >= 400 && complaints.push(`${response.status()} ${response.url()}`),
  );
  page.on('request', (request) => request.url().startsWith(site.url) || elsewhere.push(request.url()));

  await page.goto(`${site.url}/`);
  const width = await page
    .locator('main img')
    .evaluate((image) => (image as unknown as { naturalWidth: number }).naturalWidth);
  assert.ok(width > 0, 'the picture is drawn');
  mkdirSync(output, { recursive: true });
  await page.screenshot({ path: join(output, 'site-home.png') });
  for (const { link } of pages.flatMap(({ items }) => items)) {
    await page.goto(`${site.url}${link === '/' ? '/' : `${link}.html`}`);
    assert.ok(((await page.locator('main h1').textContent()) ?? '').length > 2, link);
  }
  await page.goto(`${site.url}/guides/major-upgrade.html`);
  const [file] = await page.locator('main a', { hasText: 'upgrade.yaml' }).all();
  const yaml = await page.request.get(new URL((await file!.getAttribute('href'))!, page.url()).href);
  assert.match(await yaml.text(), /^pipeline: /m);

  await page.keyboard.press('Control+k');
  await page.locator('input#localsearch-input').fill('way back');
  await page.locator('.VPLocalSearchBox .result').first().waitFor();

  await page.setViewportSize({ width: 390, height: 800 });
  await page.goto(`${site.url}/comparison.html`);
  await page.screenshot({ path: join(output, 'site-phone.png') });
  const wide = await page.evaluate('document.documentElement.scrollWidth - innerWidth');
  assert.ok(Number(wide) <= 0, 'a wide table scrolls by itself, not the page');
  assert.deepEqual(complaints, []);
  assert.deepEqual(elsewhere, []);
});
