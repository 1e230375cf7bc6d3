import type { Options } from '../registry/options-schema.ts';
import type { TreeProblem, YamlTree } from './yaml-tree.ts';

/** Keys of the file that the runtime may not support yet. Such a key is refused, so that no key is ignored silently. */
export interface Supported {
  readonly http: boolean;
  readonly deadLetter: boolean;
  readonly followDdl: boolean;
}
export const supported: Supported = { http: true, deadLetter: true, followDdl: true };

export function unsupportedKeys(root: unknown, tree: YamlTree, by: Supported): TreeProblem[] {
  if (typeof root !== 'object' || root === null) return [];
  const { http, dead_letter, ddl } = root as Options;
  const problems: TreeProblem[] = [];
  const refuse = (key: string, what: string) =>
    problems.push({ code: 'PGS1016', message: `${what} is not in this version`, ...tree.keyAt(`/${key}`) });
  if (http !== undefined && !by.http) refuse('http', '"http"');
  if (dead_letter !== undefined && !by.deadLetter) refuse('dead_letter', '"dead_letter"');
  if (ddl === 'follow' && !by.followDdl) refuse('ddl', '"ddl: follow"');
  return problems;
}
