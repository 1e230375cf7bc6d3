import type { Command } from 'commander';
import type { Finding } from '../../api/check.ts';
import { runChecks } from '../../operations/check/checks.ts';
import { statementsOf } from '../../operations/check/statements.ts';
import type { Cli } from '../cli.ts';
import { openFor } from '../open.ts';

/** `pgsluice check FILE`: findings of source and sinks, each error with its remedy. Exit 3 on an error. */
export function register(program: Command, cli: Cli): void {
  program
    .command('check')
    .description('live preflight of source and sinks; changes nothing; exit 3 on an error')
    .argument('<file>', 'pipeline file')
    .option('--json', 'print JSON')
    .option('--sql', 'print just the statements that mend what was found, for each server in an order that works')
    .action((file: string, flags: CheckFlags) =>
      cli.withSignals(async (signal) => {
        await using pipeline = await openFor(cli, { file, lock: 'none', logTo: 'stderr', signal });
        const findings = await runChecks(pipeline.context, pipeline.instances, pipeline.config);
        cli.stdout.write(printed(findings, flags));
        if (findings.some((finding) => finding.level === 'error')) cli.exit(3);
      }),
    );
}

interface CheckFlags {
  readonly json?: boolean;
  readonly sql?: boolean;
}

function printed(findings: readonly Finding[], { json, sql }: CheckFlags): string {
  if (json === true) return `${JSON.stringify({ findings }, null, 2)}\n`;
  return sql === true ? statementsOf(findings) : printFindings(findings);
}

function printFindings(findings: readonly Finding[]): string {
  const width = (key: 'check' | 'subject') => Math.max(...findings.map((finding) => finding[key].length), 0);
  const [checks, subjects] = [width('check'), width('subject')];
  const lines = findings.flatMap(({ level, check, subject, message, remedy }) => {
    const line = `${level.padEnd(7)}  ${check.padEnd(checks)}  ${subject.padEnd(subjects)}  ${message}`;
    return remedy === null || level === 'ok' ? [line] : [line, `${' '.repeat(9)}→ ${remedy}`];
  });
  const count = (level: Finding['level']) => findings.filter((finding) => finding.level === level).length;
  return `${lines.join('\n')}\n\n${count('ok')} ok, ${count('warning')} warnings, ${count('error')} errors\n`;
}
