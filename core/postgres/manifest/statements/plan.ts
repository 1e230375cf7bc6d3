import type { Change } from '../difference.ts';
import { type Manifest, type ManifestObject, keyOf } from '../types.ts';
import { remakes } from './closure.ts';
import { dropSteps, dropsEarly, goesAlong, namesTaken, takenNames } from './drop.ts';
import { kindRules, laterRanks } from './kinds.ts';
import { type Node, inOrder } from './order.ts';
import { ownSequence } from './parts.ts';
import { type Effect, type Step, type Writing, bare, containerOf, list, safe, sqlName } from './step.ts';
import { attachTable, replicaIdentity } from './table.ts';
import { swapType } from './types.ts';
import { columnsOf, newWriting } from './writing.ts';

export interface Statement {
  /** Key of the change that the statement mends, or of the change that makes it necessary. */
  readonly about: string;
  readonly sql: string;
  readonly effect: Effect;
}

export interface Mending {
  /** In an order that works. */
  readonly statements: readonly Statement[];
  /** Keys of changes that no statement mends: the object would have to be created again, and would lose its rows. */
  readonly unmended: ReadonlySet<string>;
  /**
   * For each change: the key under which its statements are listed; the key of another change if this one is a part of
   * it.
   */
  readonly about: (key: string) => string;
}

export interface MendOptions {
  readonly owners?: boolean;
}

interface Work extends Node {
  readonly about: string;
  readonly steps: readonly Step[];
}

/** The statements that make `there` what is `wanted`, from the changes between them. Pure. */
export function mend(
  changes: readonly Change[],
  sides: { readonly there: Manifest; readonly wanted: Manifest },
  options: MendOptions = {},
): Mending {
  const writing = newWriting(sides, options.owners ?? true);
  const byKey = new Map(changes.map((change) => [change.key, change]));
  const made = remakes(changes, writing);
  const about = (key: string): string => aboutOf(key, byKey, writing, made.causes);
  const going = new Set([...changes.filter(({ change }) => change === 'extra').map(({ key }) => key), ...made.again]);
  const drops = dropWork([...going], writing, going);
  const taken = takenNames(namesToMake(changes, byKey, writing));
  const early = earlyOf(drops, made.again, taken);
  const nodes = [
    ...createWork(changes, writing, made.again),
    ...swaps(made.swapped, writing),
    ...defaultsAgain(made.defaults, writing),
  ];
  const script: Statement[] = [];
  const add = (key: string, steps: readonly Step[]): void => {
    for (const { sql, effect } of steps) script.push({ about: about(key), sql, effect });
  };
  for (const [key, steps] of made.before) add(key, steps);
  for (const drop of drops) if (early.has(drop)) add(keyOf(drop.object), drop.steps);
  for (const node of inOrder(nodes)) add(node.about, node.steps);
  for (const drop of drops) if (!early.has(drop)) add(keyOf(drop.object), drop.steps);
  const bodies = script.find(({ sql }) => /^CREATE (OR REPLACE )?(FUNCTION|PROCEDURE) /.test(sql));
  // Function bodies may name objects that are created later.
  const first = bodies === undefined ? [] : [{ about: bodies.about, ...safe('SET check_function_bodies = off') }];
  return { statements: [...first, ...script], unmended: made.unmended, about };
}

interface Drop {
  readonly object: ManifestObject;
  readonly needs: readonly string[];
  /** The objects that are dropped with it. */
  readonly parts: readonly ManifestObject[];
  readonly steps: readonly Step[];
}

/**
 * Dependents before the objects that they depend on. The dependencies of a part that is dropped with its table count
 * for the table.
 */
function dropWork(keys: readonly string[], writing: Writing, going: ReadonlySet<string>): readonly Drop[] {
  const { there } = writing;
  const extra = (key: string | null): key is string =>
    key !== null && going.has(key) && !writing.wanted.objects.has(key);
  const nodes = new Map<string, Node & { readonly object: ManifestObject }>();
  const lent = new Map<string, ManifestObject[]>();
  for (const key of keys) {
    const object = there.objects.get(key);
    if (object === undefined) continue;
    const container = containerOf(object, there);
    // Tables may refer to each other.
    const foreignKey = object.kind === 'constraint' && object.facts['type'] === 'f';
    if (extra(container) && !foreignKey) {
      const parts = lent.get(container);
      if (parts === undefined) lent.set(container, [object]);
      else parts.push(object);
    } else if (!goesAlong(object, writing, going)) {
      nodes.set(key, { id: key, rank: kindRules[object.kind].rank, needs: object.needs, object });
    }
  }
  const whole = [...nodes.values()].map((node) => {
    const parts = lent.get(node.id) ?? [];
    return { ...node, parts, needs: [...node.needs, ...parts.flatMap((part) => part.needs)] };
  });
  return inOrder(reaching(whole, there))
    .toReversed()
    .map(({ object, needs, parts }) => ({ object, needs, parts, steps: dropSteps(object, writing) }));
}

/** Missing objects, and sequences that now belong to a missing table. */
function namesToMake(
  changes: readonly Change[],
  byKey: ReadonlyMap<string, Change>,
  { wanted }: Writing,
): ManifestObject[] {
  return changes.flatMap((change) => {
    if (change.change === 'extra') return [];
    const container = containerOf(change.wanted, wanted);
    const ofMissing = container !== null && byKey.get(container)?.change === 'missing';
    return change.change === 'missing' || (ofMissing && change.wanted.facts['identity'] === 't') ? [change.wanted] : [];
  });
}

/** Objects in the way of new ones, and everything that depends on those. */
function earlyOf(drops: readonly Drop[], again: ReadonlySet<string>, taken: ReadonlySet<string>): ReadonlySet<Drop> {
  const early = new Set<Drop>();
  const keys = new Set<string>();
  for (const drop of drops.toReversed()) {
    const key = keyOf(drop.object);
    const first =
      again.has(key) ||
      [drop.object, ...drop.parts].some((object) => namesTaken(object, taken)) ||
      dropsEarly(drop.object) ||
      drop.needs.some((need) => keys.has(need));
    if (!first) continue;
    early.add(drop);
    keys.add(key);
  }
  return early;
}

function createWork(changes: readonly Change[], writing: Writing, again: ReadonlySet<string>): Work[] {
  const { wanted: manifest, there } = writing;
  const work: Work[] = [];
  const changed = new Map(changes.map((change) => [change.key, change]));
  for (const key of new Set([...changed.keys(), ...again])) {
    const wanted = manifest.objects.get(key);
    if (wanted === undefined) continue;
    const change = changed.get(key);
    const before = again.has(key) || change?.change === 'missing' ? null : (there.objects.get(key) ?? null);
    const rules = kindRules[wanted.kind];
    const needs = needsOf(wanted, manifest);
    if (!comesAlong(wanted, writing, changed)) {
      const steps = before === null ? rules.create(wanted, writing) : (rules.alter(before, wanted, writing) ?? []);
      work.push({ id: key, about: key, rank: rankOf(wanted), needs, steps });
    }
    work.push(...later(before, wanted, needs));
  }
  return reaching(
    work.filter(({ steps }) => steps.length > 0),
    manifest,
  );
}

/** An object that needs a part needs the whole that the part is created with. */
function reaching<T extends Node>(nodes: readonly T[], manifest: Manifest): T[] {
  const ids = new Set(nodes.map(({ id }) => id));
  const reach = (need: string): string => {
    const object = ids.has(need) ? undefined : manifest.objects.get(need);
    return object === undefined ? need : (containerOf(object, manifest) ?? need);
  };
  return nodes.map((node) => ({ ...node, needs: node.needs.map(reach) }));
}

function rankOf(wanted: ManifestObject): number {
  if (wanted.kind === 'constraint' && wanted.facts['type'] === 'f') return laterRanks.foreignKey;
  if (wanted.kind === 'sequence' && wanted.facts['identity'] === 't') return laterRanks.owned;
  return kindRules[wanted.kind].rank;
}

/** A table's columns are created with it, so their dependencies come before the table. */
function needsOf(wanted: ManifestObject, manifest: Manifest): readonly string[] {
  const container = containerOf(wanted, manifest);
  const owner = list(wanted.props['owned by']).join('\0');
  const own = wanted.needs.filter(
    (need) => wanted.kind !== 'sequence' || wanted.facts['identity'] === 't' || !need.endsWith(`\0${owner}`),
  );
  if (wanted.kind === 'table' || wanted.kind === 'foreign table' || wanted.kind === 'composite type') {
    const columns = [...own, ...columnNeeds(wanted, manifest)];
    return columns.filter((need) => need !== keyOf(wanted));
  }
  return container === null || wanted.kind === 'sequence' ? own : [...own, container];
}

function columnNeeds(table: ManifestObject, manifest: Manifest): string[] {
  return columnsOf(manifest, table.name).flatMap((column) => column.needs);
}

/** Objects that the statement of another object creates. */
function comesAlong(wanted: ManifestObject, writing: Writing, changed: ReadonlyMap<string, Change>): boolean {
  if (wanted.kind !== 'column' && wanted.kind !== 'attribute') return false;
  const container = containerOf(wanted, writing.wanted);
  return container !== null && changed.get(container)?.change === 'missing';
}

function later(before: ManifestObject | null, wanted: ManifestObject, needs: readonly string[]): Work[] {
  const key = keyOf(wanted);
  const work = (what: string, rank: number, steps: readonly Step[]): Work => ({
    id: `${key}\0\0${what}`,
    about: key,
    rank,
    needs: [...needs, key],
    steps,
  });
  switch (wanted.kind) {
    case 'table':
    case 'foreign table':
      return [
        work('attach', laterRanks.attach, attachTable(before, wanted)),
        work('identity', laterRanks.identity, replicaIdentity(before, wanted)),
      ];
    case 'sequence':
      return [work('owned', laterRanks.owned, ownSequence(before, wanted))];
    case 'index':
      return [work('identity', laterRanks.identity, identityOfIndex(before, wanted))];
    default:
      return [];
  }
}

/**
 * An index that is created again may be the replica identity; the table's own change, if there is one, says so, too.
 */
function identityOfIndex(before: ManifestObject | null, wanted: ManifestObject): Step[] {
  if (before !== null || wanted.facts['replident'] !== 't') return [];
  return [
    safe(
      `ALTER TABLE ONLY ${sqlName(...list(wanted.props['table']))} REPLICA IDENTITY USING INDEX ${bare(wanted.name[1]!)}`,
    ),
  ];
}

function swaps(swapped: ReadonlySet<string>, writing: Writing): Work[] {
  return [...swapped].flatMap((key) => {
    const [there, wanted] = [writing.there.objects.get(key)!, writing.wanted.objects.get(key)!];
    return [
      {
        id: key,
        about: key,
        rank: kindRules[wanted.kind].rank,
        needs: needsOf(wanted, writing.wanted),
        steps: swapType(there, wanted, writing),
      },
    ];
  });
}

function defaultsAgain(columns: ReadonlySet<string>, writing: Writing): Work[] {
  return [...columns].flatMap((key) => {
    const wanted = writing.wanted.objects.get(key);
    const value = wanted?.props['default'] ?? null;
    if (wanted === undefined || value === null || (wanted.props['generated'] ?? null) !== null) return [];
    const sql = `ALTER TABLE ONLY ${sqlName(wanted.name[0], wanted.name[1])} ALTER COLUMN ${bare(wanted.name[2]!)} SET DEFAULT ${value}`;
    return [
      {
        id: `${key}\0\0default`,
        about: key,
        rank: kindRules.column.rank,
        needs: [...wanted.needs, key],
        steps: [safe(sql)],
      },
    ];
  });
}

/**
 * A missing or extra part of a table is listed under the table; an object that is created again for another change,
 * under that change.
 */
function aboutOf(
  key: string,
  changes: ReadonlyMap<string, Change>,
  writing: Writing,
  causes: ReadonlyMap<string, string>,
): string {
  let at = key;
  for (let hops = 0; hops < 10; hops++) {
    const cause = changes.has(at) ? undefined : causes.get(at);
    const next = cause ?? wholeOf(at, changes, writing);
    if (next === null || next === at) return at;
    at = next;
  }
  return at;
}

function wholeOf(key: string, changes: ReadonlyMap<string, Change>, { there, wanted }: Writing): string | null {
  const change = changes.get(key);
  const manifest = change?.change === 'extra' ? there : wanted;
  const object = manifest.objects.get(key);
  if (object === undefined) return null;
  const container = containerOf(object, manifest);
  if (container === null) return null;
  const whole = changes.get(container);
  if (whole !== undefined && whole.change !== 'changed' && whole.change === change?.change) return container;
  // Columns of a view follow from its definition.
  const ofView = object.kind === 'column' && manifest.objects.get(container)?.kind.endsWith('view') === true;
  if (ofView && whole !== undefined && change?.change !== 'changed') return container;
  const ofConstraint = object.kind === 'index' && (object.props['constraint'] ?? null) !== null;
  if (!ofConstraint) return null;
  const constraint = `constraint\0${list(object.props['table']).join('\0')}\0${object.props['constraint']}`;
  return changes.has(constraint) ? constraint : null;
}
