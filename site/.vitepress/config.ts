import { cpSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitepress';
import { pages } from '../pages.ts';

/**
 * The site of docs/ (`npm run docs`). A link that leads nowhere fails the build.
 * `site/pages.ts` is the order of the pages.
 */
export default defineConfig({
  title: 'pgsluice',
  lang: 'en',
  description: 'Moves live PostgreSQL databases, changes tables on the way, and fans changes into Kafka.',
  srcDir: '../docs',
  // Browsers ask for /favicon.ico else, which is not there.
  head: [['link', { rel: 'icon', href: 'data:,' }]],
  cleanUrls: false,
  lastUpdated: false,
  markdown: {
    // Our pages are Markdown alone: `<file>` and `{{` in them are text.
    html: false,
    config(md) {
      // Files of the repository outside of docs/ are copied into the site, below its root.
      md.core.ruler.push('files-of-the-repository', ({ tokens }) => {
        for (const link of tokens.flatMap(({ children }) => children ?? [])) {
          const href = link.attrGet('href');
          if (href !== null) link.attrSet('href', href.replace(/^(?:\.\.\/)+configs\//, '/configs/'));
        }
      });
    },
  },
  vite: {
    plugins: [
      {
        name: 'vue-of-the-site',
        enforce: 'pre',
        // What a page becomes imports Vue, which is not to be found from docs/.
        resolveId(id, _importer, options) {
          if (!/^vue(?:\/|$)/.test(id)) return null;
          return this.resolve(id, fileURLToPath(import.meta.url), { ...options, skipSelf: true });
        },
      },
    ],
  },
  buildEnd({ outDir }) {
    cpSync(new URL('../../configs', import.meta.url), join(outDir, 'configs'), { recursive: true });
  },
  themeConfig: {
    sidebar: pages,
    outline: [2, 3],
    search: { provider: 'local' },
    nav: [
      { text: 'Start', link: '/start' },
      { text: 'Guides', link: '/guides/major-upgrade' },
      { text: 'Options', link: '/reference/options' },
      { text: 'Troubleshooting', link: '/troubleshooting' },
      { text: 'Comparison', link: '/comparison' },
    ],
  },
});
