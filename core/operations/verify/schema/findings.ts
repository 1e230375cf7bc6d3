import type { SchemaView } from '../../../api/schema-reader.ts';
import { asTarget } from '../../../pipeline/plan/as-target.ts';
import { parseAcl } from '../../../postgres/manifest/acl.ts';
import { type Change, difference } from '../../../postgres/manifest/difference.ts';
import { type Mapping, mapManifest } from '../../../postgres/manifest/map.ts';
import { type Statement, mend } from '../../../postgres/manifest/statements/plan.ts';
import { describe } from '../../../postgres/manifest/statements/refs.ts';
import { bare, containerOf } from '../../../postgres/manifest/statements/step.ts';
import { sameSql } from '../../../postgres/manifest/text.ts';
import type { Manifest, ManifestObject, ObjectKind } from '../../../postgres/manifest/types.ts';

/**
 * `difference`: the target is not what the file asks for. `role`: a role that the source's schema names is not there. `extension`: only
 * its version differs. `owner`: it is the owner that differs, as whom our role may not act. `note`: something of the target's own that takes nothing from the copy. `pending`: it comes with the cutover.
 */
export type FindingClass = 'difference' | 'role' | 'extension' | 'owner' | 'note' | 'pending';

export interface SchemaFinding {
  readonly class: FindingClass;
  readonly kind: ObjectKind | 'role';
  /** With its kind, as messages name it: `index app.orders_placed`. What `--accept` takes. */
  readonly name: string;
  readonly what: string;
  /** Those that mend it, in an order that works; empty where none does. */
  readonly statements: readonly { readonly sql: string; readonly effect: Statement['effect'] }[];
}

export interface SchemaComparison {
  readonly findings: readonly SchemaFinding[];
  /** All statements of all findings, in an order that works for all of them together. */
  readonly script: readonly Statement[];
  /** Objects that were compared. */
  readonly compared: number;
  /** Nothing but versions of extensions, notes and what is pending. */
  readonly equal: boolean;
}

/** The target against what the plan makes of the source. Pure. */
export function compareViews(source: SchemaView, target: SchemaView, mapping: Mapping): SchemaComparison {
  const { manifest, renames } = mapManifest(asTarget(source.manifest, target), mapping);
  const chosen = (of: Manifest): Manifest => {
    const all = target.grants === false ? withoutGrants(of) : of;
    return target.scope === 'tables' ? ofTables(all, mapping) : all;
  };
  const final = settled(chosen(manifest), target);
  const there = chosen(target.manifest);
  const { wanted, kept } = asKept(final, there, target.pending);
  const all = difference(there, wanted, { owners: target.owners, same: sameSql(renames) });
  const changes = all.filter((change) => target.scope === 'database' || change.change !== 'extra');
  const aside = (key: string): boolean => target.pending.get(key) === null;
  const open = changes.filter(({ key }) => !aside(key));
  const mending = mend(open, { there, wanted }, { owners: target.owners });
  const byAbout = Map.groupBy(mending.statements, ({ about }) => about);
  const unowned = (change: Change): boolean => isUnowned(change, target.mayOwn);
  const roles = missingRoles(
    open.filter((change) => !unowned(change)),
    target,
  );
  // As the statements have to be run: what depends goes before what it depends on, and comes after it.
  const turn = new Map(mending.statements.map(({ about }, i) => [about, i] as const).toReversed());
  const turnOf = ({ key }: Change): number => turn.get(key) ?? mending.statements.length;
  const findings = open
    .filter(({ key }) => mending.about(key) === key)
    .toSorted((a, b) => turnOf(a) - turnOf(b))
    .map((change) =>
      finding(
        change,
        byAbout.get(change.key) ?? [],
        mending.unmended.has(change.key),
        unowned(change) ? 'owner' : undefined,
      ),
    );
  const pending = [...changes.filter(({ key }) => aside(key)), ...kept].map((change) =>
    finding(change, [], false, 'pending'),
  );
  const list = [...roles, ...findings, ...pending];
  return {
    findings: list,
    script: [
      ...roles.flatMap((role) => role.statements.map((statement) => ({ ...statement, about: role.name }))),
      ...mending.statements,
    ],
    compared: wanted.objects.size,
    equal: list.every((one) => passing.has(one.class)),
  };
}

/** What is kept off there is wanted off until the cutover, so that only what else differs is a difference. */
function asKept(
  wanted: Manifest,
  there: Manifest,
  pending: SchemaView['pending'],
): { readonly wanted: Manifest; readonly kept: readonly Change[] } {
  const objects = new Map(wanted.objects);
  const kept: Change[] = [];
  for (const [key, names] of pending) {
    const [now, then] = [there.objects.get(key), objects.get(key)];
    if (names === null || now === undefined || then === undefined) continue;
    const props = names.filter((name) => (now.props[name] ?? null) !== (then.props[name] ?? null));
    if (props.length === 0) continue;
    kept.push({ change: 'changed', key, there: now, wanted: then, props });
    const off = Object.fromEntries(props.map((name) => [name, now.props[name] ?? null]));
    objects.set(key, { ...then, props: { ...then.props, ...off } });
  }
  return { wanted: { ...wanted, objects }, kept };
}

/** What leaves nothing of the source behind. */
const passing: ReadonlySet<FindingClass> = new Set(['extension', 'owner', 'note', 'pending']);

/** Where grants are not wanted, both sides count as having those that every object has from the beginning. */
function withoutGrants(manifest: Manifest): Manifest {
  const objects = [...manifest.objects].map(([key, object]) => {
    const granted = typeof object.props['acl'] === 'string' && object.kind !== 'default privileges';
    return [key, granted ? { ...object, props: { ...object.props, acl: null } } : object] as const;
  });
  return { ...manifest, objects: new Map(objects) };
}

/** An index that the source could not build is nothing that a copy has, and pg_dump leaves it out, too. */
function settled(manifest: Manifest, target: SchemaView): Manifest {
  if (target.scope === 'tables') return manifest;
  const objects = [...manifest.objects].filter(([, object]) => {
    if (object.kind === 'default privileges' && !target.owners) return false;
    return object.kind !== 'index' || object.props['valid'] === 't' || object.facts['relkind'] === 'p';
  });
  return { ...manifest, objects: new Map(objects) };
}

const tableKinds: ReadonlySet<ObjectKind> = new Set(['table', 'column', 'constraint', 'index', 'sequence']);

/** The tables of the plans and their parts: all that can be asked of a schema that somebody else made. */
function ofTables(manifest: Manifest, { tables }: Mapping): Manifest {
  const chosen = new Set(tables.map(({ to }) => `table\0${to.join('\0')}`));
  const objects = [...manifest.objects].filter(([key, object]) => {
    if (!tableKinds.has(object.kind)) return false;
    return chosen.has(key) || chosen.has(containerOf(object, manifest) ?? '');
  });
  return { ...manifest, objects: new Map(objects) };
}

/** Of the target's own choice; whatever they do, nothing of the source is missing. */
const ownChoice: ReadonlySet<ObjectKind> = new Set([
  'extension',
  'event trigger',
  'publication',
  'subscription',
  'role settings',
  'default privileges',
  'access method',
]);

function finding(
  change: Change,
  statements: readonly Statement[],
  unmended: boolean,
  as?: FindingClass,
): SchemaFinding {
  const object = change.change === 'extra' ? change.there : change.wanted;
  const of = as ?? classOf(change, object);
  return {
    class: of,
    kind: object.kind,
    name: describe(object),
    what:
      what(change) + (unmended ? '; no statement mends that: make the table again and copy it (pgsluice resync)' : ''),
    // To another version it goes where the machine has it, which is not known here.
    statements: of === 'extension' ? [] : statements.map(({ sql, effect }) => ({ sql, effect })),
  };
}

function classOf(change: Change, object: ManifestObject): FindingClass {
  if (change.change === 'extra' && ownChoice.has(object.kind)) return 'note';
  const onlyVersion =
    change.change === 'changed' && object.kind === 'extension' && change.props.every((name) => name === 'version');
  return onlyVersion ? 'extension' : 'difference';
}

function what(change: Change): string {
  switch (change.change) {
    case 'missing':
      return 'is missing in the target';
    case 'extra':
      return 'is in the target only';
    default:
      return change.props
        .map(
          (name) =>
            `${name} is ${shown(change.there.props[name])} in the target, not ${shown(change.wanted.props[name])}`,
        )
        .join('; ');
  }
}

function shown(value: string | null | undefined): string {
  if (value === null || value === undefined) return 'unset';
  const line = value.replaceAll(/\s+/g, ' ').trim();
  return line.length > 80 ? `${line.slice(0, 77)}…` : line;
}

/** Nobody can expect of a role what it may not do; who can, has the statement. */
function isUnowned(change: Change, mayOwn: SchemaView['mayOwn']): boolean {
  if (mayOwn === undefined || change.change === 'extra') return false;
  if (change.change === 'missing') {
    const { kind, name } = change.wanted;
    return kind === 'default privileges' && !mayOwn.has(name[0]!);
  }
  const { owner } = change.wanted.props;
  return change.props.every((name) => name === 'owner') && typeof owner === 'string' && !mayOwn.has(owner);
}

/** Roles that what is wanted names and the target lacks. */
function missingRoles(changes: readonly Change[], target: SchemaView): SchemaFinding[] {
  const needed = new Map<string, string>();
  for (const change of changes) {
    if (change.change === 'extra') continue;
    for (const role of rolesOf(change.wanted, target.owners)) {
      if (target.manifest.roles.has(role) || needed.has(role)) continue;
      needed.set(role, describe(change.wanted));
    }
  }
  return [...needed].map(([role, by]) => ({
    class: 'role',
    kind: 'role',
    name: `role ${role}`,
    what: `is missing in the target; ${by} names it`,
    statements: [{ sql: `CREATE ROLE ${bare(role)}`, effect: 'safe' }],
  }));
}

function rolesOf({ kind, name, props }: ManifestObject, owners: boolean): string[] {
  const roles: string[] = [];
  if (owners && typeof props['owner'] === 'string') roles.push(props['owner']);
  const acl = props['acl'];
  if (typeof acl === 'string' && acl !== 'default') roles.push(...Object.keys(parseAcl(acl)));
  if (typeof props['roles'] === 'string') roles.push(...(JSON.parse(props['roles']) as string[]));
  if (kind === 'default privileges' || kind === 'role settings') roles.push(name[0]!);
  if (kind === 'user mapping') roles.push(name[1]!);
  return roles.filter((role) => role !== '' && role !== '@owner' && !(kind === 'user mapping' && role === 'public'));
}
