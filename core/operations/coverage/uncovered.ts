import { coverageError } from './errors.ts';

/** Something that the file chooses and that the target does not have as the source has it, or nobody can tell. */
export interface Uncovered {
  /** As it is printed, and as `--accept` takes it: `schema.name`, or what else it is called. */
  readonly name: string;
  readonly kind: string;
  readonly why: string;
  /** What mends it: a statement or a command; null: nothing but to accept it. */
  readonly remedy: string | null;
  /** False: the cutover itself takes care of it. It is told all the same. */
  readonly blocks: boolean;
}

/** What is left once the named exceptions are taken out. */
export function blocking(found: readonly Uncovered[], accept: ReadonlySet<string>): readonly Uncovered[] {
  return found.filter((each) => each.blocks && !accept.has(each.name));
}

/** Throws PGS7044 for names that are neither on the list nor something that the pipeline has. */
export function refuseUnknownNames(
  accept: ReadonlySet<string>,
  found: readonly Uncovered[],
  known: Iterable<string>,
): void {
  const names = new Set([...found.map(({ name }) => name), ...known]);
  const unknown = [...accept].filter((name) => !names.has(name));
  if (unknown.length === 0) return;
  const listed =
    found.length === 0 ? 'the list is empty' : `on the list: ${[...new Set(found.map(({ name }) => name))].join(', ')}`;
  throw coverageError('PGS7044', `--accept ${unknown.join(' ')}: no such name; ${listed}`);
}

/** The list for people; empty where there is nothing to tell. */
export function printUncovered(found: readonly Uncovered[], accept: ReadonlySet<string>): string {
  if (found.length === 0) return '';
  const lines = found.map((each) => {
    const taken = accept.has(each.name) ? 'accepted' : each.blocks ? 'MISSING' : 'note';
    const remedy = each.remedy === null || taken === 'accepted' ? '' : ` → ${each.remedy}`;
    return `  ${taken.padEnd(8)} ${each.name}  ${each.kind}: ${each.why}${remedy}`;
  });
  return `chosen by the file, and not (yet) as on the source:\n${lines.join('\n')}\n`;
}
