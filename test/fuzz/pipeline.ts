import type { Script, Settings, Table } from './script.ts';
import { type Side, urlOf } from './sides.ts';
import { secret } from './transforms.ts';

export interface Ends {
  readonly source: Side;
  readonly target: Side;
}

/** The pipeline file of a script. */
export function pipelineYaml(script: Script, pipeline: string, { source, target }: Ends, run = 0): string {
  const { streaming, binary, checkpointFile, existing, ddl, rate, owners } = script.settings;
  return `pipeline: ${pipeline}
source:
  plugin: postgres
  url: ${urlOf(source)}
  streaming: ${streaming}
  binary: ${binary}
  snapshot: ${snapshotYaml(script.settings)}
${transformsYaml(script)}sinks:
  - plugin: postgres
    url: ${urlOf(target)}
${lanesYaml(script, run)}    schema: ${existing ? 'existing' : 'create'}
${owners ? '    owners: skip\n' : ''}${ddl === 'stop' ? '' : 'ddl: follow\n'}${rate === null ? '' : `limit: { rate: ${rate} }\n`}${checkpointFile ? 'checkpoint: { plugin: file, path: state.json }\n' : ''}`;
}

/** The files of a chain: who reads, and who applies. */
export function chainYaml(
  script: Script,
  { pipeline, broker, reader }: { readonly pipeline: string; readonly broker: string; readonly reader: string },
  { source, target }: Ends,
): { readonly reader: string; readonly applier: string } {
  const { streaming, binary, checkpointFile, rate, journal } = script.settings;
  return {
    reader: `pipeline: ${pipeline}
source:
  plugin: postgres
  url: ${urlOf(source)}
  streaming: ${streaming}
  binary: ${binary}
  snapshot: ${snapshotYaml(script.settings)}
sinks: [{ plugin: kafka, brokers: ["${broker}"], format: pgsluice, partitions: ${journal!.partitions} }]
${rate === null ? '' : `limit: { rate: ${rate} }\n`}checkpoint: ${checkpointFile ? '{ plugin: file, path: state.json }' : `{ plugin: postgres, url: "${urlOf(target)}" }`}
`,
    applier: `pipeline: ${pipeline}_apply
source:
  plugin: kafka
  brokers: ["${broker}"]
  topics: ["${pipeline}.journal"]
  format: pgsluice
  session_timeout: 3s
  reader: ${reader}
  tables_from: ${urlOf(target)}
sinks: [{ plugin: postgres, url: "${urlOf(target)}", schema: existing }]
`,
  };
}

function lanesYaml({ settings: { lanes = [] } }: Script, run: number): string {
  const apply = lanes[run % lanes.length];
  return apply === undefined ? '' : `    apply: { lanes: ${apply.lanes}, by: ${apply.by} }\n`;
}

function snapshotYaml({ workers, chunkSize, ranges }: Settings): string {
  const above = ranges === undefined ? '' : ', ledger_above: 1kB';
  const age = ranges === undefined || ranges.maxAge === null ? '' : `, max_age: ${ranges.maxAge}`;
  const stream = ranges?.during === true ? ', stream: during' : '';
  return `{ workers: ${workers}, chunk_size: ${chunkSize}${above}${age}${stream} }`;
}

/** YAML below `transforms:`. JSON is YAML. */
export function transformsYaml(script: Script): string {
  if (script.transforms.length === 0) return '';
  const lines = script.transforms.map((transform) => {
    const { plugin, table: id, ...more } = transform;
    const table = script.tables.find((one) => one.id === id)!;
    return `  - ${yaml({ plugin, tables: pattern(table), ...options(more) })}`;
  });
  return `transforms:\n${lines.join('\n')}\n`;
}

const yaml = (value: unknown): string => JSON.stringify(value).replaceAll('${', '$${');

/** A glob has no quotes: what it would take for more than itself stands for one character. */
const pattern = ({ schema, name }: Table): string => `${schema}.${name.replaceAll(/[*?[\]{}.]/g, '?')}`;

function options(more: Record<string, unknown>): Record<string, unknown> {
  if ('to' in more) return { ...more, to: (more['to'] as readonly string[]).join('.') };
  if ('where' in more) return { ...more, refetch: true };
  if ('drop' in more) return more;
  const columns = more['columns'] as Record<string, unknown>;
  return {
    refetch: true,
    columns: Object.fromEntries(Object.entries(columns).map(([name, to]) => [name, method(to)])),
  };
}

function method(to: unknown): unknown {
  if (to === 'hash') return { hash: { secret } };
  return to === 'partial' ? { partial: { prefix: 1, suffix: 1, with: '…' } } : to;
}
