import type { DeleteChange, InsertChange, RowChange, UpdateChange } from '../../core/api/change.ts';
import { type PartialTuple, type Tuple, UNCHANGED } from '../../core/postgres/tuple.ts';
import type { Relation } from '../../core/postgres/relation.ts';
import { scriptError } from './errors.ts';

type Run = (rows: readonly Tuple[]) => Promise<readonly Tuple[]>;

/**
 * Applies a script, which knows only rows, to changes. Inserts of one transaction go in one call. With REPLICA IDENTITY
 * FULL old and new row are mapped and compared. With a key the old row is unknown: the script must keep the key of each
 * row, an UPDATE may give one row or none, and both it and DELETE say that the row may be absent downstream.
 */
export async function mapChanges(
  run: Run,
  changes: readonly RowChange[],
  output: Relation,
): Promise<readonly RowChange[]> {
  const out: RowChange[] = [];
  let inserts: InsertChange[] = [];
  const flush = async (): Promise<void> => {
    const [first] = inserts;
    if (first === undefined) return;
    const rows = await run(inserts.map((insert) => insert.after));
    const last = inserts.length - 1;
    rows.forEach((after, i) => {
      out.push({
        kind: 'insert',
        tx: first.tx,
        lsn: (inserts[Math.min(i, last)] as InsertChange).lsn,
        relation: output,
        after,
      });
    });
    inserts = [];
  };
  for (const change of changes) {
    if (change.kind === 'insert') {
      if (inserts[0] !== undefined && inserts[0].tx !== change.tx) await flush();
      inserts.push(change);
      continue;
    }
    await flush();
    out.push(...(change.kind === 'update' ? await update(run, change, output) : await remove(run, change, output)));
  }
  await flush();
  return out;
}

async function update(run: Run, change: UpdateChange, output: Relation): Promise<readonly RowChange[]> {
  const { before, after } = change;
  if (before?.image === 'full') {
    const old = await run([before.tuple]);
    return replaced(change, output, [old, await run([whole(after, before.tuple)])]);
  }
  const row = whole(after, null);
  const made = await run([row]);
  const image = { image: 'key', tuple: key(change.relation, before?.tuple ?? row, output) } as const;
  const { tx, lsn } = change;
  const [only] = made;
  if (only === undefined) return [{ kind: 'delete', tx, lsn, relation: output, before: image, maybe: true }];
  if (made.length > 1) throw scriptError('PGS4062', `the script made ${made.length} rows of one in an UPDATE`);
  keepsKey(key(change.relation, row, output), only);
  return [
    { kind: 'update', tx, lsn, relation: output, before: before === null ? null : image, after: only, maybe: true },
  ];
}

async function remove(run: Run, change: DeleteChange, output: Relation): Promise<readonly RowChange[]> {
  const { before, tx, lsn, relation } = change;
  if (before.image === 'full') return replaced(change, output, [await run([before.tuple]), []]);
  const image = { image: 'key', tuple: key(relation, before.tuple, output) } as const;
  return [{ kind: 'delete', tx, lsn, relation: output, before: image, maybe: true }];
}

/** Both sides are known: one row for one is an UPDATE, otherwise the old rows are deleted and the new ones inserted. */
function replaced(
  change: UpdateChange | DeleteChange,
  relation: Relation,
  [old, now]: readonly [readonly Tuple[], readonly Tuple[]],
): readonly RowChange[] {
  const { tx, lsn } = change;
  const [was] = old;
  const [is] = now;
  if (was !== undefined && is !== undefined && old.length === 1 && now.length === 1) {
    return [{ kind: 'update', tx, lsn, relation, before: { image: 'full', tuple: was }, after: is }];
  }
  return [
    ...old.map((tuple): RowChange => ({ kind: 'delete', tx, lsn, relation, before: { image: 'full', tuple } })),
    ...now.map((after): RowChange => ({ kind: 'insert', tx, lsn, relation, after })),
  ];
}

/** A row that a script may read must have all of its values (I7). */
function whole(after: PartialTuple, old: Tuple | null): Tuple {
  return after.map((cell, i) => {
    if (cell !== UNCHANGED) return cell;
    if (old === null) throw scriptError('PGS4062', 'the UPDATE did not send a large value that it left untouched');
    return old[i] ?? null;
  });
}

/** The key's cells at their places in the output, the others null. */
function key(input: Relation, tuple: Tuple, output: Relation): Tuple {
  const cells: (string | null)[] = output.columns.map(() => null);
  if (input.identity.kind !== 'key') return cells;
  for (const at of input.identity.positions) {
    const to = output.columns.findIndex((column) => column.name === input.columns[at]?.name);
    if (to !== -1) cells[to] = tuple[at] ?? null;
  }
  return cells;
}

/** Key columns are NOT NULL, so a null in the image is a column outside of the key. */
function keepsKey(image: Tuple, row: Tuple): void {
  if (image.some((cell, i) => cell !== null && cell !== row[i])) {
    throw scriptError('PGS4062', 'the script changed a column of the key in an UPDATE');
  }
}
