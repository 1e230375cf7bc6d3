import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkCoreNames } from './lib/core-names.ts';
import { errorsPage } from './lib/errors-page.ts';
import { checkFiles } from './lib/file-rules.ts';
import { manPage } from './lib/man-page.ts';
import { metricsPage } from './lib/metrics-page.ts';
import { verbsPage } from './lib/verbs-page.ts';
import { optionsPage } from './lib/options-page.ts';
import { checkImports } from './lib/import-graph.ts';
import { pipelineSchemaText } from './lib/schema-text.ts';

/**
 * `npm run check`: types, lint, format, the import graph, sizes of files, generated files, the lock file, paths of a machine.
 * Runs all parts, prints what each found, ends with 1 if any found something.
 */
const root = fileURLToPath(new URL('..', import.meta.url));

interface Part {
  readonly name: string;
  /** Findings, one a line; empty: passed. */
  readonly run: () => string[] | Promise<string[]>;
}

const parts: readonly Part[] = [
  { name: 'types', run: () => tool('tsc', ['-p', '.']) },
  { name: 'lint', run: () => tool('oxlint', ['--deny-warnings', '.']) },
  { name: 'format', run: () => tool('biome', ['format', '.']) },
  { name: 'docker-compose.yml', run: () => tool('dclint', ['--quiet', 'docker-compose.yml', 'configs/scale-out']) },
  { name: 'import graph', run: () => checkImports(root) },
  { name: 'core knows no plugin', run: () => checkCoreNames(root) },
  { name: 'files', run: () => checkFiles(root) },
  {
    name: 'configs/pipeline.schema.json',
    run: () => generated('configs/pipeline.schema.json', pipelineSchemaText(), 'npm run schema'),
  },
  {
    name: 'docs/reference/options.md',
    run: () => generated('docs/reference/options.md', optionsPage(), 'node scripts/write-options.ts'),
  },
  {
    name: 'docs/reference/verbs.md',
    run: () => generated('docs/reference/verbs.md', verbsPage(), 'node scripts/write-cli-pages.ts'),
  },
  {
    name: 'docs/reference/metrics.md',
    run: () =>
      generated('docs/reference/metrics.md', Promise.resolve(metricsPage(root)), 'node scripts/write-metrics.ts'),
  },
  { name: 'man/pgsluice.1', run: () => generated('man/pgsluice.1', manPage(), 'node scripts/write-cli-pages.ts') },
  { name: 'docs/errors.md', run: () => generated('docs/errors.md', errorsPage(), 'node scripts/write-errors.ts') },
];

/** A tool of node_modules, with this very Node. */
function tool(name: string, args: readonly string[]): string[] {
  const path = join(root, 'node_modules', '.bin', name);
  const ran = spawnSync(path, args, { cwd: root, encoding: 'utf8', env: { ...process.env, PATH: pathWithBin() } });
  if (ran.error !== undefined) return [ran.error.message];
  return ran.status === 0 ? [] : `${ran.stdout}${ran.stderr}`.trimEnd().split('\n');
}

function pathWithBin(): string {
  return `${join(root, 'node_modules', '.bin')}:${process.env['PATH'] ?? ''}`;
}

async function generated(file: string, text: Promise<string>, command: string): Promise<string[]> {
  let there = '';
  try {
    there = readFileSync(join(root, file), 'utf8');
  } catch {
    return [`${file} is missing: ${command}`];
  }
  return there === (await text) ? [] : [`${file} is not up to date: ${command}`];
}

let failed = 0;
for (const part of parts) {
  const started = performance.now();
  const findings = await part.run();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`${findings.length === 0 ? 'ok  ' : 'FAIL'} ${part.name} (${seconds} s)`);
  for (const finding of findings) console.log(`     ${finding}`);
  if (findings.length > 0) failed++;
}
if (failed > 0) {
  console.log(`${failed} of ${parts.length} checks failed`);
  process.exitCode = 1;
}
