import type { Finding } from '../../api/check.ts';

/**
 * A script of all statements that the findings ask for, by server: the source's first, then those of each sink, in the
 * order of the findings, which is an order that works. A finding without a statement becomes a comment.
 */
export function statementsOf(findings: readonly Finding[]): string {
  const open = findings.filter(({ level, remedy }) => level !== 'ok' && remedy !== null);
  const sections = Map.groupBy(open, ({ subject }) => (subject.startsWith('sink ') ? subject : 'source'));
  const order = [...sections.keys()].sort((a, b) => Number(b === 'source') - Number(a === 'source'));
  return order.map((server) => `-- ${server}\n${section(sections.get(server)!)}\n`).join('\n');
}

function section(findings: readonly Finding[]): string {
  return findings
    .flatMap(({ level, message, remedy, statements }) => {
      if (statements !== undefined) return [comment(`${level}: ${message}`), ...statements];
      return [comment(`${level}: ${message}`), comment(`by hand: ${remedy}`)];
    })
    .join('\n');
}

function comment(text: string): string {
  return `-- ${text.replace(/\s+/g, ' ')}`;
}
