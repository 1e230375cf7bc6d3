import { existsSync, readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Relation } from '../../postgres/relation.ts';
import { PgsluiceError } from '../../base/error.ts';
import { checkSchema } from '../../config/check-schema.ts';
import { type Problem, sortProblems } from '../../config/problem.ts';
import { hint } from '../../base/suggest.ts';
import { escapePointer, type TreeProblem, YamlTree } from '../../config/yaml-tree.ts';
import { caseRelation } from './relation.ts';
import { testFileSchema } from '../../config/cases-schema.ts';

export type CaseRow = Readonly<Record<string, unknown>>;

/** A case as it is run. */
export interface TestCase {
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly source: Relation;
  /** Null: the first sink. */
  readonly sink: string | null;
  readonly input:
    | { readonly kind: 'row'; readonly row: CaseRow }
    | { readonly kind: 'update'; readonly from: CaseRow; readonly to: CaseRow }
    | { readonly kind: 'delete'; readonly row: CaseRow };
  readonly target: string | null;
  /** Empty: no output. */
  readonly expect: readonly { readonly op: 'insert' | 'update' | 'delete'; readonly row: CaseRow }[];
}

export interface Cases {
  readonly cases: readonly TestCase[];
  readonly problems: readonly Problem[];
}

interface RawCase {
  readonly name?: string;
  readonly table: string;
  readonly sink?: string;
  readonly columns: Readonly<Record<string, string>>;
  readonly key?: string | readonly string[];
  readonly identity?: 'key' | 'full';
  readonly row?: CaseRow;
  readonly update?: { readonly from: CaseRow; readonly to: CaseRow };
  readonly delete?: CaseRow;
  readonly target?: string;
  readonly expect: 'nothing' | CaseRow | readonly CaseRow[];
}

/** The cases of a valid pipeline file, then those of `<name>.test.yaml` beside it. */
export function readCases(file: string, env: NodeJS.ProcessEnv): Cases {
  const beside = file.replace(/\.ya?ml$/, '') + '.test.yaml';
  const parts = [readFile(file, env, false), ...(existsSync(beside) ? [readFile(beside, env, true)] : [])];
  return { cases: parts.flatMap((part) => part.cases), problems: parts.flatMap((part) => part.problems) };
}

function readFile(file: string, env: NodeJS.ProcessEnv, own: boolean): Cases {
  const tree = new YamlTree(readFileSync(file, 'utf8').replace(/^\uFEFF/, ''), env, dirname(resolve(file)));
  const problems: TreeProblem[] = own ? [...tree.problems] : [];
  const found = (): readonly Problem[] => sortProblems(problems.map((problem) => ({ file, ...problem })));
  if (!tree.readable) return { cases: [], problems: found() };
  // The part within the pipeline file was checked with the file.
  const tests = own ? tree.value : { tests: (tree.value as { tests?: unknown } | null)?.tests ?? [] };
  const checked = checkSchema(testFileSchema, tests, { tree, pointer: '', label: '' });
  problems.push(...checked.problems);
  if (problems.length > 0) return { cases: [], problems: found() };
  const raw = (checked.value as { tests: readonly RawCase[] | null }).tests ?? [];
  const cases = raw.flatMap((each, i) => {
    const reader = new CaseReader(each, `/tests/${i}`, tree, problems);
    const made = reader.read(file, `case ${i + 1}`);
    return made === null ? [] : [made];
  });
  return { cases, problems: found() };
}

/** One case; checks what a schema cannot express. */
class CaseReader {
  readonly #raw: RawCase;
  readonly #at: string;
  readonly #tree: YamlTree;
  readonly #problems: TreeProblem[];

  constructor(raw: RawCase, at: string, tree: YamlTree, problems: TreeProblem[]) {
    this.#raw = raw;
    this.#at = at;
    this.#tree = tree;
    this.#problems = problems;
  }

  read(file: string, fallback: string): TestCase | null {
    const before = this.#problems.length;
    const raw = this.#raw;
    const source = this.#source();
    const input = this.#input();
    const expect = this.#expect();
    if (source === null || input === null || this.#problems.length > before) return null;
    const { line } = this.#tree.valueAt(this.#at);
    const { sink = null, target = null, name = fallback } = raw;
    return { name, file, line, source, sink, input, target: target === null ? null : whole(target), expect };
  }

  #source(): Relation | null {
    const { columns, key = [], identity = 'key' } = this.#raw;
    const names = Object.keys(columns);
    const keys = [key].flat();
    for (const each of keys) {
      if (!names.includes(each)) this.#problem('/key', `there is no column ${each}${hint(each, names, 'there are')}`);
    }
    const [schema, table] = split(whole(this.#raw.table));
    let wrong = false;
    const made = caseRelation({ schema, name: table, columns, key: keys, identity }, (name, error) => {
      wrong = true;
      if (!(error instanceof PgsluiceError)) throw error;
      this.#problem(`/columns/${escapePointer(name)}`, error.message);
    });
    return wrong ? null : made;
  }

  #input(): TestCase['input'] | null {
    const { row, update, delete: removed } = this.#raw;
    const given = [row, update, removed].filter((each) => each !== undefined);
    if (given.length !== 1) {
      this.#problem('', 'a case has exactly one of: row, update, delete');
      return null;
    }
    if (row !== undefined) this.#known('/row', row);
    if (update !== undefined) this.#known('/update/from', update.from);
    if (update !== undefined) this.#known('/update/to', update.to);
    if (removed !== undefined) this.#known('/delete', removed);
    if (row !== undefined) return { kind: 'row', row };
    return update === undefined ? { kind: 'delete', row: removed! } : { kind: 'update', ...update };
  }

  #expect(): TestCase['expect'] {
    const { expect, row } = this.#raw;
    if (expect === 'nothing') return [];
    if (row !== undefined) return [expect].flat().map((each) => ({ op: 'insert', row: each as CaseRow }));
    const list = [expect].flat() as readonly CaseRow[];
    return list.flatMap((each) => {
      const [op, ...others] = Object.keys(each);
      const one = op === undefined ? undefined : each[op];
      if ((op === 'insert' || op === 'update' || op === 'delete') && others.length === 0 && isRow(one)) {
        return [{ op, row: one }];
      }
      this.#problem(
        '/expect',
        'after an update or delete: nothing, or one of {insert: row}, {update: row}, {delete: key}',
      );
      return [];
    });
  }

  #known(at: string, row: CaseRow): void {
    const names = Object.keys(this.#raw.columns);
    for (const name of Object.keys(row)) {
      if (names.includes(name)) continue;
      const path = `${at}/${escapePointer(name)}`;
      this.#problem(path, `there is no column ${name}${hint(name, names, 'there are')}`, true);
    }
  }

  #problem(at: string, message: string, key = false): void {
    const pointer = this.#at + at;
    const place = key ? this.#tree.keyAt(pointer) : this.#tree.valueAt(pointer);
    this.#problems.push({ code: 'PGS1017', message, ...place });
  }
}

function isRow(value: unknown): value is CaseRow {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function whole(table: string): string {
  return table.includes('.') ? table : `public.${table}`;
}

function split(table: string): readonly [string, string] {
  const dot = table.indexOf('.');
  return [table.slice(0, dot), table.slice(dot + 1)];
}
