import type { ServerProfile, StatementProfile } from '../../postgres/server-profile.ts';

/** What `assess --compare` says; as JSON just so. */
export interface Comparison {
  readonly pipeline: string;
  readonly sink: string;
  readonly versions: { readonly source: number; readonly target: number };
  /** Settings of another value, or that were set and the other side does not have (null). */
  readonly settings: readonly DifferingSetting[];
  /** The statements that took most time on the target, beside the same on the source; null: one side has no pg_stat_statements. */
  readonly statements: readonly ComparedStatement[] | null;
  /** Why not, where {@link statements} is null. */
  readonly without: readonly string[];
}

export interface DifferingSetting {
  readonly name: string;
  readonly source: string | null;
  readonly target: string | null;
}

/** Milliseconds a call; null: not seen on this side. */
export interface ComparedStatement {
  readonly text: string;
  readonly calls: { readonly source: number | null; readonly target: number | null };
  readonly mean: { readonly source: number | null; readonly target: number | null };
  /** At least half as long again as on the source. */
  readonly slower: boolean;
}

export interface ComparisonInput {
  readonly pipeline: string;
  readonly sink: string;
  readonly source: ServerProfile;
  readonly target: ServerProfile;
}

const shown = 20;
const slower = 1.5;

/** Pure. Statements: the first of each side by time in all, slower ones first. */
export function compare({ pipeline, sink, source, target }: ComparisonInput): Comparison {
  const names = [...new Set([...source.settings.keys(), ...target.settings.keys()])].toSorted();
  const settings = names.flatMap((name): DifferingSetting[] => {
    const [here, there] = [source.settings.get(name), target.settings.get(name)];
    // What another major does not have matters where somebody has set it.
    const alone = here === undefined || there === undefined;
    if (alone ? !(here ?? there)!.set : here.value === there.value) return [];
    return [{ name, source: here?.value ?? null, target: there?.value ?? null }];
  });
  const without = [source.statements === null ? 'the source' : null, target.statements === null ? sink : null].filter(
    (side) => side !== null,
  );
  return {
    pipeline,
    sink,
    versions: { source: source.version, target: target.version },
    settings,
    statements:
      source.statements === null || target.statements === null
        ? null
        : statementsOf(source.statements, target.statements),
    without,
  };
}

function statementsOf(source: readonly StatementProfile[], target: readonly StatementProfile[]): ComparedStatement[] {
  const by = (side: readonly StatementProfile[]) => new Map(side.map((statement) => [statement.text, statement]));
  const [here, there] = [by(source), by(target)];
  const texts = new Set([...target.slice(0, shown), ...source.slice(0, shown)].map(({ text }) => text));
  const mean = (statement: StatementProfile | undefined) =>
    statement === undefined || statement.calls === 0 ? null : statement.total / statement.calls;
  return [...texts]
    .map((text): ComparedStatement => {
      const means = { source: mean(here.get(text)), target: mean(there.get(text)) };
      return {
        text,
        calls: { source: here.get(text)?.calls ?? null, target: there.get(text)?.calls ?? null },
        mean: means,
        slower: means.source !== null && means.target !== null && means.target >= means.source * slower,
      };
    })
    .toSorted((a, b) => Number(b.slower) - Number(a.slower));
}

export function printComparison({ pipeline, sink, versions, settings, statements, without }: Comparison): string {
  const value = (text: string | null) => text ?? '(not there)';
  const number = (ms: number | null) => (ms === null ? '-' : ms.toFixed(2));
  const majors = `${Math.floor(versions.source / 10_000)} and ${Math.floor(versions.target / 10_000)}`;
  const lines = [`${pipeline}: the source beside ${sink}, PostgreSQL ${majors}`, '', 'settings that differ'];
  const width = Math.max(0, ...settings.map(({ name }) => name.length));
  for (const { name, source, target } of settings)
    lines.push(`  ${name.padEnd(width)}  ${value(source)}  →  ${value(target)}`);
  if (settings.length === 0) lines.push('  none');
  lines.push('');
  if (statements === null) {
    lines.push(`statements are not compared: no pg_stat_statements to be read on ${without.join(' and ')}`);
    return `${lines.join('\n')}\n`;
  }
  lines.push('statements with most time, milliseconds a call: source, target');
  for (const { text, mean, calls, slower: worse } of statements) {
    const cut = text.length > 100 ? `${text.slice(0, 99)}…` : text;
    const counts = `${calls.source ?? 0} and ${calls.target ?? 0} calls`;
    lines.push(
      `  ${number(mean.source).padStart(10)} ${number(mean.target).padStart(10)}  ${worse ? 'slower  ' : ''}${cut} (${counts})`,
    );
  }
  if (statements.length === 0) lines.push('  none was seen');
  return `${lines.join('\n')}\n`;
}
