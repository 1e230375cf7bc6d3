import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';
import { PromMetrics } from '../../../../core/observe/metrics.ts';
import { RunView } from '../../../../core/pipeline/progress/run-view.ts';
import { RunState } from '../../../../core/pipeline/state/run-state.ts';

const folder = fileURLToPath(new URL('../../../../configs/monitoring/', import.meta.url));
const rulesFile = join(folder, 'alert-rules.yaml');

interface Target {
  readonly refId: string;
  readonly expr: string;
}
interface Panel {
  readonly id: number;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets: readonly Target[];
}
interface Dashboard {
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
  readonly panels: readonly Panel[];
}
interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string; readonly description: string };
}

const dashboard = JSON.parse(readFileSync(join(folder, 'grafana-dashboard.json'), 'utf8')) as Dashboard;
const { groups } = parse(readFileSync(rulesFile, 'utf8')) as { groups: { name: string; rules: Rule[] }[] };
const rules = groups.flatMap((group) => group.rules);

/** Names that `/metrics` has, with the labels of their samples. */
async function served(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const view = new RunView('shop', new RunState());
  view.sourcePosition = 2n;
  Object.assign(view.sink('postgres'), { written: 1n, commitTime: 0n });
  const table = {
    sink: 'postgres',
    table: 'public.t',
    verdict: 'equal',
    why: null,
    since: 1,
    last: 1,
    rows: '1',
  } as const;
  const verified = { ...table, parts: 1, compared: 1, changed: 0, differing: 0, named: [], repaired: 0 };
  view.verification = { every: 1, repair: false, waits: null, tables: [verified] };
  const metrics = new PromMetrics('shop');
  metrics.watch(view);
  const found = new Map<string, Set<string>>();
  for (const line of (await metrics.text()).split('\n')) {
    const type = /^# TYPE (\S+)/.exec(line);
    if (type !== null) found.set(type[1]!, new Set(['pipeline']));
    const sample = /^(\w+)\{(.*)\}/.exec(line);
    if (sample === null) continue;
    for (const [, label] of sample[2]!.matchAll(/(\w+)="/g)) found.get(sample[1]!)?.add(label!);
  }
  return found;
}

const metricsIn = (expr: string) => expr.match(/\b(?:pgsluice|process)_\w+/g) ?? [];

function assertBalanced(expr: string): void {
  let open = '';
  for (const [sign] of expr.replace(/"[^"]*"/g, '').matchAll(/[()[\]{}]/g)) {
    if ('([{'.includes(sign)) open += sign;
    else {
      assert.equal(open.at(-1), { ')': '(', ']': '[', '}': '{' }[sign], expr);
      open = open.slice(0, -1);
    }
  }
  assert.equal(open, '', expr);
}

test('every metric of the dashboard and of the alert rules is one that a run has', async () => {
  const there = await served();
  const variables = dashboard.templating.list.flatMap(({ definition }) => definition ?? []);
  const panels = dashboard.panels.flatMap(({ targets }) => targets.map(({ expr }) => expr));
  for (const expr of [...variables, ...panels, ...rules.map((rule) => rule.expr)]) {
    const names = metricsIn(expr);
    assert.ok(names.length > 0, expr);
    for (const name of names) assert.ok(there.has(name), `${name} in ${expr}`);
    assertBalanced(expr);
  }
});

test('each panel has its own id and place, and says what its query is of', () => {
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
  const taken = new Set<string>();
  for (const { title, gridPos, targets } of dashboard.panels) {
    assert.ok(title !== '' && targets.length > 0);
    assert.ok(gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!taken.has(`${x},${y}`), `${title} lies over another panel`);
        taken.add(`${x},${y}`);
      }
    for (const { expr } of targets) assert.match(expr, /pipeline=~"\$pipeline"/, title);
  }
});

test('each alert says how bad it is, whose it is and what to do, with labels that its metrics have', async () => {
  const there = await served();
  assert.ok(rules.length >= 7);
  assert.equal(new Set(rules.map(({ alert }) => alert)).size, rules.length);
  for (const { alert, expr, labels, annotations, for: wait } of rules) {
    assert.match(alert, /^Pgsluice\w+$/);
    assert.match(labels.severity, /^(?:warning|critical)$/);
    assert.match(wait ?? '0s', /^\d+[smh]$/);
    assert.ok(annotations.description.length > 20, alert);
    assert.match(annotations.summary, /\{\{ \$labels\.pipeline \}\}/, alert);
    for (const [, label] of annotations.summary.matchAll(/\$labels\.(\w+)/g))
      for (const name of metricsIn(expr)) assert.ok(there.get(name)?.has(label!), `${alert}: ${name} has no ${label}`);
  }
});

const promtool = (process.env['PATH'] ?? '')
  .split(delimiter)
  .map((path) => join(path, 'promtool'))
  .find((path) => existsSync(path));

test('promtool takes the alert rules', { skip: promtool === undefined && 'there is no promtool' }, () => {
  assert.match(execFileSync(promtool!, ['check', 'rules', rulesFile], { encoding: 'utf8' }), /SUCCESS/);
});
