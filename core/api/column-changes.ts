import type { TablePlan } from './plan.ts';

/** What is to be done to a restored table's columns so that it has the plan's output shape. */
export interface ColumnChanges {
  readonly drop: readonly string[];
  readonly rename: readonly { readonly from: string; readonly to: string }[];
  /** Names after the renames. Type null: the type stays. `nullable`: NOT NULL goes, as every value will be NULL. */
  readonly retype: readonly { readonly name: string; readonly type: string | null; readonly nullable: boolean }[];
  readonly add: readonly { readonly name: string; readonly type: string }[];
}

/** Pure. Done in the order drop, rename, retype, add. */
export function columnChanges(plan: TablePlan): ColumnChanges {
  const source = new Map(plan.source.columns.map((column) => [column.name, column]));
  const taken = new Set<string>();
  const rename: { from: string; to: string }[] = [];
  const retype: { name: string; type: string | null; nullable: boolean }[] = [];
  const made = [];
  for (const column of plan.output.columns) {
    const { from, alwaysNull } = originOf(plan, column.name);
    const origin = from === null || taken.has(from) ? undefined : source.get(from);
    if (origin === undefined) {
      made.push({ name: column.name, type: column.typeName, alwaysNull });
      continue;
    }
    taken.add(origin.name);
    if (origin.name !== column.name) rename.push({ from: origin.name, to: column.name });
    if (origin.typeName !== column.typeName) retype.push({ name: column.name, type: column.typeName, nullable: false });
  }
  for (const column of plan.generated ?? plan.source.columns.filter((c) => c.generated !== 'never').map(unrenamed)) {
    taken.add(column.from);
    if (column.from !== column.name) rename.push(toRename(column));
  }
  const add: { name: string; type: string }[] = [];
  for (const column of made) {
    // A made value under the name of a source column that nothing else takes: the column stays, perhaps with another type.
    const old = source.get(column.name);
    if (old === undefined || old.generated !== 'never' || taken.has(old.name)) {
      add.push({ name: column.name, type: column.type });
      continue;
    }
    taken.add(old.name);
    const type = old.typeName === column.type ? null : column.type;
    const nullable = column.alwaysNull && old.notNull;
    if (type !== null || nullable) retype.push({ name: column.name, type, nullable });
  }
  const drop = plan.source.columns.filter((column) => !taken.has(column.name)).map((column) => column.name);
  return { drop, rename, retype, add };
}

/** Source column whose value passes untouched, else null. What a tail puts out under a projected name is taken for that. */
function originOf(plan: TablePlan, output: string): { readonly from: string | null; readonly alwaysNull: boolean } {
  const projected = plan.projection.columns.find((column) => column.name === output);
  if (projected === undefined) return { from: null, alwaysNull: false };
  return { from: projected.from, alwaysNull: projected.expr.op === 'const' && projected.expr.text === null };
}

function unrenamed(column: { readonly name: string }): { from: string; name: string } {
  return { from: column.name, name: column.name };
}

function toRename(column: { readonly from: string; readonly name: string }): { from: string; to: string } {
  return { from: column.from, to: column.name };
}

export function isEmpty(changes: ColumnChanges): boolean {
  return changes.drop.length + changes.rename.length + changes.retype.length + changes.add.length === 0;
}
