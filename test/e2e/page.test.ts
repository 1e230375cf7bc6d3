import assert from 'node:assert/strict';
import { mkdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import { findBrowser, startBrowser } from '../support/browser.ts';
import { CliProcess, pipelineFile } from '../support/cli.ts';
import { database, server } from '../support/servers.ts';

/**
 * The page of a run in a real browser, with live data. Where the machine has no Chromium the test is skipped and says
 * so; with PGSLUICE_REQUIRE_BROWSER=1 it fails then. PGSLUICE_PICTURES=1 makes the pictures of docs/. A browser is no dependency of the package, and CI machines may have none.
 */
const pictures = process.env['PGSLUICE_PICTURES'] === '1' ? 'docs/images/' : 'test-output/';
const output = fileURLToPath(new URL(`../../${pictures}`, import.meta.url));
const browserPath = findBrowser();
const none = 'NO BROWSER: install chromium, or name one in CHROMIUM. The page of `http` was NOT tested in a browser.';
const required = process.env['PGSLUICE_REQUIRE_BROWSER'] === '1';
if (browserPath === null) console.error(none);

const text = (page: Page, id: string) => page.locator(id).textContent();

async function until(what: string, holds: () => Promise<boolean>): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!(await holds())) {
    if (Date.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test('the page draws a copy and then the stream, live, and tells when the run is gone', {
  skip: browserPath === null && !required && none,
}, async (t) => {
  assert.notEqual(browserPath, null, none);
  const source = await database(await server(17), 'page_src');
  const target = await database(await server(17), 'page_dst');
  await source.query(`CREATE TABLE "big <b>&amp;" (id int PRIMARY KEY, v text);
    INSERT INTO "big <b>&amp;" SELECT i, repeat('x', 300) FROM generate_series(1, 40000) i;
    CREATE TABLE small (id int PRIMARY KEY)`);
  const file = await pipelineFile(`pipeline: ${source.name}
source: { plugin: postgres, url: "${source.url}" }
sinks: [{ plugin: postgres, url: "${target.url}", apply: { lanes: 2 } }]
limit: { rate: 1MB/s }
http: 127.0.0.1:0
verify: { every: 5s }
`);
  // Before the copy, which takes a few seconds.
  await using browser = await startBrowser(browserPath!);
  const page = await browser.newPage({ viewport: { width: 1200, height: 1100 } });
  await page.goto('about:blank');
  const run = new CliProcess(['run', file, '--log', 'json']);
  t.after(() => run.process.kill('SIGKILL'));
  await run.until('http-listening');
  const url = String(run.events('http-listening')[0]?.['url']);
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);

  const complaints: string[] = [];
  const requests: string[] = [];
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('request', (request) => requests.push(request.url()));
  await page.goto(`${url}/`);

  await until('the copy is drawn', async () => (await text(page, '#tables'))?.includes('big') === true);
  assert.equal(await text(page, '#pipeline'), source.name);
  assert.match((await text(page, '#tables')) ?? '', /public\.big <b>&amp;/, 'a name is text, not markup');
  assert.match((await text(page, '#copy-line')) ?? '', /of about .*MB.*tables finished/);
  mkdirSync(output, { recursive: true });
  await page.screenshot({ path: join(output, 'page-copy.png') });

  await run.until('caught-up');
  const insert = 'INSERT INTO small SELECT i + (SELECT coalesce(max(id), 0) FROM small) FROM generate_series(1, 50) i';
  await until('what is applied is counted', async () => {
    await source.query(insert);
    const changes = await page.locator('#sinks dd.changes').first().textContent();
    return Number(changes?.replaceAll(',', '') ?? 0) > 500;
  });
  assert.equal(await text(page, '#phase'), 'follow');
  assert.equal(await page.locator('#copy').isVisible(), false);
  assert.match((await text(page, '#source-line')) ?? '', /the slot keeps .* of WAL/);
  const lanes = await page.locator('#sinks .lanes tr').allTextContents();
  assert.equal(lanes.length, 3, lanes.join('\n'));
  for (const lane of lanes.slice(1)) assert.match(lane, /^[01].* k?B[0-9A-F]+\/[0-9A-F]+$/);
  for (const id of ['#plot-lag', '#plot-rates', '#plot-wal', '#plot-copy']) {
    assert.ok(await painted(page, id), `${id} has something drawn`);
  }
  await until('the verdict is shown', async () => {
    const verdicts = await page.locator('#verified tbody tr').allTextContents();
    return verdicts.length === 2 && verdicts.every((line) => line.includes('equal'));
  });
  await target.query(`UPDATE "big <b>&amp;" SET v = 'y' WHERE id = 77`);
  await until('a row that differs is named', async () =>
    /differs: 1 rows, 77/.test((await text(page, '#verified')) ?? ''),
  );
  assert.match((await text(page, '#events')) ?? '', /verification-differs.*run-started/s, 'newest first');
  await page.screenshot({ path: join(output, 'page.png'), fullPage: true });
  assert.ok(statSync(join(output, 'page.png')).size > 20_000);
  const ground = () => page.evaluate('getComputedStyle(document.body).backgroundColor');
  const light = await ground();
  await page.emulateMedia({ colorScheme: 'dark' });
  assert.notEqual(await ground(), light);
  await until('the plots are drawn again', () => painted(page, '#plot-lag'));
  await page.screenshot({ path: join(output, 'page-dark.png'), fullPage: true });
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width: 390, height: 844 });
  const wide = await page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
  assert.equal(wide, 0, 'nothing is wider than a phone');
  await page.screenshot({ path: join(output, 'page-phone.png'), fullPage: true });

  assert.deepEqual(complaints, []);
  assert.deepEqual(
    requests.filter((request) => !request.startsWith(`${url}/`) && !request.startsWith('data:')),
    [],
    'nothing is asked of anyone else',
  );
  run.process.kill('SIGTERM');
  assert.equal((await run.ended).code, 0);
  await until('the end is told', async () => (await text(page, '#notice'))?.includes('does not answer') === true);
});

/** Whether the plot's canvas holds pixels of a line's colour (blue or orange), not only the grey of axes and grid. */
async function painted(page: Page, id: string): Promise<boolean> {
  const colored = await page.evaluate(`(() => {
    const canvas = document.querySelector('${id} canvas');
    const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
    let colored = 0;
    for (let i = 0; i < data.length; i += 4) {
      const [red, green, blue, alpha] = data.slice(i, i + 4);
      if (alpha > 128 && Math.max(red, green, blue) - Math.min(red, green, blue) > 80) colored++;
    }
    return colored;
  })()`);
  return Number(colored) > 50;
}
