import type { Command } from 'commander';
import { compilePattern } from '../../api/pattern.ts';
import { relationName } from '../../api/relation.ts';
import type { SourceCatalog } from '../../api/source.ts';
import { knownNames, knownTables, pendingTables, requestCopy } from '../../runtime/known-tables.ts';
import { planSinks } from '../../runtime/planning.ts';
import { copyPending } from '../../runtime/resync.ts';
import { checkFile } from '../../runtime/run.ts';
import { watchSource } from '../../runtime/watch-source.ts';
import type { PipelineState } from '../../state/pipeline-state.ts';
import { verifyError } from '../../verify/errors.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';

/** `pgsluice resync FILE [TABLE…]`: a run elsewhere is ended at a barrier; afterwards `run` goes on. */
export function register(program: Command, cli: Cli): void {
  program
    .command('resync')
    .description('copy tables anew in a pipeline that exists; without TABLE: those that were added to the file')
    .argument('<file>', 'pipeline file')
    .argument('[table...]', "globs on the source's schema.table")
    .action((file: string, patterns: readonly string[]) =>
      cli.withSignals((signal) => resync(cli, file, patterns, signal)),
    );
}

async function resync(cli: Cli, file: string, patterns: readonly string[], signal: AbortSignal): Promise<void> {
  const say = (line: string) => void cli.stdout.write(`${line}\n`);
  await using pipeline = await openFor(cli, { file, lock: 'take-over', logTo: 'stderr', signal });
  const { context, instances, config } = pipeline;
  const { state } = context;
  if (state.head?.phase !== 'stream') {
    throw verifyError('PGS7004', `the pipeline is in phase ${state.head?.phase ?? 'not started'}`, {
      remedy: 'Only a pipeline whose first copy is complete, and that is not cut over, can copy tables anew.',
    });
  }
  checkFile(state, config);
  const catalog = await context.source.catalog(signal);
  const tables = chosen(catalog, patterns, state);
  if (tables.length === 0) {
    say(
      `the file chooses no table that the pipeline does not have; name those to copy anew: pgsluice resync ${file} TABLE…`,
    );
    return;
  }
  // Planned with them before anything is noted: what cannot be planned is not half added.
  const sinks = instances.sinks.map(({ name }) => name);
  await planSinks(instances.sinks, catalog, true, signal);
  await requestCopy(state, tables, sinks);
  const known = knownTables(state, catalog, context.log);
  await using watching = watchSource(context, { lookEvery: 2000, logEvery: 10_000 });
  void watching;
  await copyPending(context, { config, instances, catalog: known });
  for (const table of tables) {
    const rows = sinks.map((sink) => `${state.table(sink, table)?.rows ?? 0n} rows into ${sink}`).join(', ');
    say(`copied ${table}: ${rows}`);
  }
  say(`go on with: pgsluice run ${file}`);
}

/** What an earlier, killed resync left belongs to it, too. */
function chosen(catalog: SourceCatalog, patterns: readonly string[], state: PipelineState): readonly string[] {
  const names = catalog.tables.map(({ relation }) => relationName(relation));
  const pending = names.filter((name) => pendingTables(state).has(name));
  if (patterns.length === 0) {
    const known = knownNames(state) ?? new Set();
    return [...new Set([...pending, ...names.filter((name) => !known.has(name))])];
  }
  const found = new Set(pending);
  for (const pattern of patterns) {
    const matches = compilePattern(pattern);
    const hits = catalog.tables
      .filter(({ relation }) => matches(relation))
      .map(({ relation }) => relationName(relation));
    if (hits.length === 0) throw verifyError('PGS7008', `no table that the file chooses matches ${pattern}`);
    for (const hit of hits) found.add(hit);
  }
  return [...found];
}
