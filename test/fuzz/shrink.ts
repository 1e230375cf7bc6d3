import type { Row, Script, Statement, Step, Table } from './script.ts';

/** Makes a script smaller for as long as `fails` says that the same class of fault remains. */
export async function shrink(
  script: Script,
  fails: (smaller: Script) => Promise<boolean>,
  options: { readonly tries: number; readonly until: number },
): Promise<Script> {
  const tried = new Set<string>();
  const left = () => tried.size < options.tries && Date.now() < options.until;
  let best = script;
  for (let before: Script | null = null; best !== before && left(); ) {
    before = best;
    for (const pass of passes) {
      for (let smaller: Script | null = best; smaller !== null; smaller = await firstThat(pass(best))) best = smaller;
    }
  }
  return best;

  async function firstThat(candidates: Iterable<Script>): Promise<Script | null> {
    for (const candidate of candidates) {
      const text = JSON.stringify(candidate);
      if (tried.has(text)) continue;
      if (!left()) return null;
      tried.add(text);
      if (await fails(candidate)) return candidate;
    }
    return null;
  }
}

type Pass = (script: Script) => Iterable<Script>;

const passes: readonly Pass[] = [
  ...[64, 16, 4].map((size) => (script: Script) => withoutSteps(script, size)),
  withoutTables,
  withoutTransforms,
  plainer,
  (script) => withoutSteps(script, 1),
  withoutPairs,
  withoutParts,
  withoutColumns,
  withoutRows,
];

/** Settings that are not needed. */
function* plainer(script: Script): Iterable<Script> {
  const plain = {
    workers: 1,
    chunkSize: '1MB',
    streaming: false,
    binary: true,
    checkpointFile: false,
    existing: false,
    ddl: 'stop',
    rate: null,
    smallMemory: false,
    owners: false,
  } as const;
  const { lanes = [], ...oneLane } = script.settings;
  if (lanes.length > 0) yield { ...script, settings: oneLane };
  const { journal, ...direct } = script.settings;
  if (journal !== undefined) yield { ...script, settings: direct };
  for (const one of lanes.length > 1 ? lanes : []) yield { ...script, settings: { ...oneLane, lanes: [one] } };
  if (JSON.stringify(script.settings) !== JSON.stringify(plain)) yield { ...script, settings: plain };
  for (const name of Object.keys(plain) as (keyof typeof plain)[])
    if (script.settings[name] !== plain[name])
      yield { ...script, settings: { ...script.settings, [name]: plain[name] } };
}

/** Without so many steps that follow each other. */
function* withoutSteps(script: Script, size: number): Iterable<Script> {
  for (let from = script.steps.length; from > 0; from -= size)
    yield { ...script, steps: script.steps.toSpliced(Math.max(0, from - size), Math.min(size, from)) };
}

/** BEGIN with its COMMIT. */
function* withoutPairs(script: Script): Iterable<Script> {
  for (const [i, step] of script.steps.entries()) {
    if (step.op !== 'begin') continue;
    const end = script.steps.findIndex(
      (other, j) =>
        j > i && 'on' in other && other.on === step.on && ['commit', 'rollback', 'prepare'].includes(other.op),
    );
    if (end > i) yield { ...script, steps: script.steps.toSpliced(end, 1).toSpliced(i, 1) };
  }
}

function* withoutTables(script: Script): Iterable<Script> {
  for (const { id } of script.tables) {
    if (script.tables.length === 1) return;
    const keeps = (step: Step) => step.op !== 'do' || !('table' in step.statement) || step.statement.table !== id;
    const tables = script.tables
      .filter((table) => table.id !== id && table.inherits !== id)
      .map((table) => (table.references?.table === id ? without(table, 'references') : table));
    yield {
      ...script,
      tables,
      transforms: script.transforms.filter(({ table }) => table !== id),
      steps: script.steps.filter(keeps),
    };
  }
}

function* withoutTransforms(script: Script): Iterable<Script> {
  for (const i of script.transforms.keys()) yield { ...script, transforms: script.transforms.toSpliced(i, 1) };
}

/** Parts of a table that are no columns. */
function* withoutParts(script: Script): Iterable<Script> {
  for (const [i, table] of script.tables.entries()) {
    const put = (other: Table) => ({ ...script, tables: script.tables.with(i, other) });
    if (table.checks.length > 0) yield put({ ...table, checks: [] });
    if (table.indexes.length > 0) yield put({ ...table, indexes: [] });
    if (table.references !== undefined) yield put(without(table, 'references'));
    if (table.schema !== 'public') yield put({ ...table, schema: 'public' });
    if (table.name !== table.id) yield put({ ...table, name: table.id });
    for (const j of table.keys.keys())
      if (table.keys[j]!.name !== table.identity) yield put({ ...table, keys: table.keys.toSpliced(j, 1) });
    const members = table.split?.members ?? [];
    for (const j of members.keys())
      yield put({ ...table, split: { ...table.split!, members: members.toSpliced(j, 1) } });
  }
  const { verify, spoil, cutover } = script.ending;
  if (verify || spoil !== null || cutover)
    yield { ...script, ending: { verify: false, spoil: null, cutover: false, late: null } };
  if (script.needs.length > 0) yield { ...script, needs: [] };
  for (const i of script.needs.keys()) yield { ...script, needs: script.needs.toSpliced(i, 1) };
}

function without<K extends keyof Table>(table: Table, name: K): Table {
  return Object.fromEntries(Object.entries(table).filter(([key]) => key !== name)) as unknown as Table;
}

function* withoutColumns(script: Script): Iterable<Script> {
  for (const [i, table] of script.tables.entries()) {
    for (const [j, { name }] of table.columns.entries()) {
      if (table.keys.some(({ columns, include = [] }) => [...columns, ...include].includes(name))) continue;
      const tables = script.tables.with(i, { ...table, columns: table.columns.toSpliced(j, 1) });
      const strip = (row: Row): Row => Object.fromEntries(Object.entries(row).filter(([column]) => column !== name));
      yield {
        ...script,
        tables,
        steps: mapStatements(script, (one) => (reads(one, table.id) ? stripped(one, strip, name) : one)),
      };
    }
  }
}

const reads = (statement: Statement, id: string): boolean => 'table' in statement && statement.table === id;

function mapStatements(script: Script, map: (statement: Statement) => Statement): readonly Step[] {
  return script.steps.map((step) => (step.op === 'do' ? { ...step, statement: map(step.statement) } : step));
}

function stripped(statement: Statement, strip: (row: Row) => Row, name: string): Statement {
  switch (statement.op) {
    case 'insert': {
      const rows = statement.rows.map(strip);
      const { conflict } = statement;
      if (conflict?.do !== 'update') return { ...statement, rows };
      const set = conflict.set.filter((column) => column !== name);
      return { ...statement, rows, conflict: set.length > 0 ? { ...conflict, set } : { do: 'nothing' } };
    }
    case 'copy':
      return { ...statement, rows: statement.rows.map(strip) };
    case 'update':
      return { ...statement, set: strip(statement.set) };
    case 'bulk':
      return { ...statement, row: strip(statement.row) };
    default:
      return statement;
  }
}

/** Fewer rows in one statement. */
function* withoutRows(script: Script): Iterable<Script> {
  for (const [i, step] of script.steps.entries()) {
    if (step.op !== 'do') continue;
    const { statement } = step;
    const put = (other: Statement) => ({ ...script, steps: script.steps.with(i, { ...step, statement: other }) });
    if (statement.op === 'bulk' && statement.count > 1)
      yield put({ ...statement, count: Math.floor(statement.count / 2) });
    if ((statement.op === 'insert' || statement.op === 'copy') && statement.rows.length > 1)
      for (const j of statement.rows.keys()) yield put({ ...statement, rows: statement.rows.toSpliced(j, 1) });
    if (statement.op === 'truncate' && statement.tables.length > 1)
      for (const j of statement.tables.keys()) yield put({ ...statement, tables: statement.tables.toSpliced(j, 1) });
  }
}
