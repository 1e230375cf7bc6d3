import type { Command } from 'commander';
import { printParents, printPlan } from '../../pipeline/plan/print.ts';
import { publishedTables } from '../../pipeline/plan/publication.ts';
import { cannotStay, printCannotStay } from '../../pipeline/ddl/left-out.ts';
import { planSinks } from '../../pipeline/open/planning.ts';
import { copyWays } from '../../operations/plan/copy-ways.ts';
import { outlook } from '../../operations/plan/outlook.ts';
import { usualAge } from '../../pipeline/snapshot/phase.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';
import { readCatalog } from '../../api/source.ts';
import { division } from '../../pipeline/plan/division.ts';

/** `pgsluice plan FILE`: what `run` would do, computed by the same planner. */
export function register(program: Command, cli: Cli): void {
  program
    .command('plan')
    .description('show what run would do: routes, SELECTs, targets, chunks')
    .argument('<file>', 'pipeline file')
    .action((file: string) =>
      cli.withSignals(async (signal) => {
        await using pipeline = await openFor(cli, { file, lock: 'none', logTo: 'stderr', signal });
        const { config, context, instances } = pipeline;
        const catalog = await readCatalog(context.source, signal);
        const planning = await planSinks(instances.sinks, catalog, config.snapshot.mode !== 'initial_only', signal);
        const published = publishedTables(
          planning.sinks.map((sink) => sink.plans.filter((plan) => plan.unlogged !== true)),
          // With `ddl: follow` nothing is left out of the publication.
          config.ddl === 'follow' ? 0 : catalog.identity.version,
        );
        for (const sink of planning.sinks) {
          const copies = await copyWays(context, sink, { config, catalog });
          const text = printPlan(sink.plans, published, sink.sink, copies);
          cli.stdout.write(`sink ${sink.name} (${sink.plugin})\n\n${text}\n`);
          if (sink.sink.cutover) cli.stdout.write(printParents(sink.parents));
          const divided = await division(context.source, sink, signal);
          if (divided.length > 0) cli.stdout.write(`${divided.join('\n')}\n\n`);
          cli.stdout.write(printCannotStay(sink, await cannotStay(context.source, sink, catalog, signal)));
        }
        if (config.snapshot.mode === 'never' || context.source.assess === undefined) return;
        cli.stdout.write(await outlook(context.source.assess, config.snapshot.max_age ?? usualAge, signal));
      }),
    );
}
