import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runFigures } from '../../core/observe/run-metrics.ts';

/** docs/reference/metrics.md: what `/metrics` holds, from the run's table and from what the plugins count. */
export function metricsPage(root: string): string {
  const rows = runFigures.map(({ name, help, labels = [] }) => row(`pgsluice_${name}`, labels, help));
  const lines = [
    '# Metrics',
    '',
    'Generated from what is told (`node scripts/write-metrics.ts`). `http` of the pipeline file opens `/metrics` ([watching a run](../watching.md#over-http)).',
    'Every sample has the label `pipeline`. What is not known has no sample.',
    '',
    '## Of the run',
    ...head,
    ...rows,
    '',
    '## Of the plugins',
    'They appear when they are first counted.',
    ...head,
    ...counted(root).map(([name, labels, file]) => row(name, labels, `by ${file.split('/')[1]}`)),
    '',
    '## Of the process',
    '`process_…` and `nodejs_…` are the defaults of prom-client.',
  ];
  return `${lines.join('\n')}\n`;
}

const head = ['', '| metric | labels | is |', '|---|---|---|'];

function row(name: string, labels: readonly string[], help: string): string {
  return `| \`${name}\` | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help.replaceAll('|', '\\|')} |`;
}

/** Name, labels and file of each call by which a plugin counts, as the sources have it. */
function counted(root: string): (readonly [string, readonly string[], string])[] {
  const call = /metrics\.(count|gauge)\(\s*'([a-z_]+)'(?:[^;]*?\{ ([a-z, ]+) \}\))?/g;
  return globSync('plugins/**/*.ts', { cwd: root })
    .toSorted()
    .flatMap((file) =>
      [...readFileSync(join(root, file), 'utf8').matchAll(call)].map(([, kind, name, labels]) => {
        const full = name!.startsWith('pgsluice_') ? name! : `pgsluice_${name}`;
        const total = kind === 'count' && !full.endsWith('_total') ? `${full}_total` : full;
        return [total, labels?.split(', ') ?? [], file] as const;
      }),
    );
}
