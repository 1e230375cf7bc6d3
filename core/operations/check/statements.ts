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

/** What mends several findings is printed once, behind all of them. */
function section(findings: readonly Finding[]): string {
  const mended = Map.groupBy(findings, ({ remedy, statements }) => JSON.stringify(statements ?? remedy));
  return [...mended.values()]
    .flatMap((group) => {
      const { remedy, statements } = group[0]!;
      const lines = statements ?? [comment(`by hand: ${remedy}`)];
      return [...group.map(({ level, message }) => comment(`${level}: ${message}`)), ...lines];
    })
    .join('\n');
}

function comment(text: string): string {
  return `-- ${text.replace(/\s+/g, ' ')}`;
}
