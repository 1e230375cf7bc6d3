import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';

const names = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome', 'microsoft-edge'];
const places = [
  ...(process.env['PATH'] ?? '').split(delimiter),
  '/usr/bin',
  '/usr/local/bin',
  '/snap/bin',
  '/opt/google/chrome',
  '/Applications/Google Chrome.app/Contents/MacOS',
  '/Applications/Chromium.app/Contents/MacOS',
];

/** A Chromium of this machine: CHROMIUM names one, else the usual places; null: there is none. */
export function findBrowser(): string | null {
  const named = process.env['CHROMIUM'];
  if (named !== undefined) {
    if (!existsSync(named)) throw new Error(`CHROMIUM names ${named}, which does not exist`);
    return named;
  }
  const all = places.flatMap((place) => [...names, 'Google Chrome', 'Chromium'].map((name) => join(place, name)));
  return all.find((file) => existsSync(file)) ?? null;
}

export function startBrowser(executablePath: string): Promise<Browser> {
  // As root, as in containers, Chromium starts only without its sandbox; the pages are our own.
  // Under a POSIX locale its language is one that its own Intl refuses.
  return chromium.launch({
    executablePath,
    env: { ...process.env, LANG: 'en_US.UTF-8', LC_ALL: 'en_US.UTF-8' },
    args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
  });
}
