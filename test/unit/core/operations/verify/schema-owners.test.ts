import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SchemaView } from '../../../../../core/api/schema-reader.ts';
import { schemaDifferences } from '../../../../../core/operations/verify/schema/differences.ts';
import { compareViews } from '../../../../../core/operations/verify/schema/findings.ts';
import { type ManifestObject, keyOf } from '../../../../../core/postgres/manifest/types.ts';

const table = (name: string, props: ManifestObject['props']): ManifestObject => ({
  kind: 'table',
  name: ['public', name],
  props: { persistence: 'p', ...props },
  facts: { relkind: 'r' },
  needs: [],
});

function view(
  objects: readonly ManifestObject[],
  roles: readonly string[],
  more: Partial<SchemaView> = {},
): SchemaView {
  const manifest = {
    version: 170_000,
    objects: new Map(objects.map((one) => [keyOf(one), one])),
    roles: new Set(roles),
  };
  return { manifest, pending: new Map(), owners: true, scope: 'database', ...more };
}

const defaults: ManifestObject = {
  kind: 'default privileges',
  name: ['boss', 'public', 'r'],
  props: { acl: '{"reader":{"r":false}}' },
  facts: {},
  needs: [],
};
const source = view(
  [table('a', { owner: 'boss' }), table('b', { owner: 'us' }), table('c', { owner: 'boss', comment: 'x' }), defaults],
  ['boss', 'us', 'reader'],
);
const there = (more: Partial<SchemaView>) =>
  view([table('a', { owner: 'us' }), table('b', { owner: 'us' }), table('c', { owner: 'us' })], ['us', 'reader'], more);

test('an owner that our role may not make one is told and blocks nothing; what else differs does', () => {
  const found = compareViews(source, there({ mayOwn: new Set(['us']) }), { tables: [], excluded: [] });
  const classes = found.findings.map(({ class: of, name }) => `${of} ${name}`);
  // The comment makes c one that counts, and it names the role that is missing.
  assert.deepEqual(
    classes.toSorted(),
    [
      'difference table public.c',
      'owner default privileges of boss in schema public on TABLES',
      'owner table public.a',
      'role role boss',
    ].toSorted(),
  );
  const [owner] = found.findings.filter(({ name }) => name === 'table public.a');
  assert.match(owner!.statements[0]!.sql, /ALTER TABLE public\.a OWNER TO boss/);
  const listed = schemaDifferences([{ sink: 's', ...found }], 'final');
  assert.deepEqual(
    listed
      .filter(({ blocks }) => !blocks)
      .map(({ name }) => name)
      .toSorted(),
    ['default privileges of boss in schema public on TABLES', 'table public.a'],
  );
});

test('a role that may make it one is expected to, and so is everybody under owners: keep', () => {
  for (const more of [{}, { mayOwn: new Set(['us', 'boss']) }]) {
    const found = compareViews(source, there(more), { tables: [], excluded: [] });
    assert.ok(found.findings.some(({ class: of, name }) => of === 'difference' && name === 'table public.a'));
    assert.equal(found.equal, false);
  }
  const plain = view([table('a', { owner: 'boss' })], ['boss']);
  const only = compareViews(plain, view([table('a', { owner: 'us' })], ['us'], { mayOwn: new Set(['us']) }), {
    tables: [],
    excluded: [],
  });
  assert.equal(only.equal, true);
  assert.deepEqual(
    only.findings.map(({ class: of }) => of),
    ['owner'],
  );
});

test('without owners and grants (`owners: skip`) neither is compared, printed, nor a reason for a role', () => {
  const grants = { acl: '{"reader":{"r":false}}' };
  const granted = view(
    [
      table('a', { owner: 'boss', ...grants }),
      table('b', { owner: 'boss', ...grants, comment: 'x' }),
      table('c', grants),
    ],
    ['boss', 'reader'],
  );
  const target = view([table('a', { acl: null }), table('b', { acl: null })], ['us'], {
    owners: false,
    grants: false,
  });
  const found = compareViews(granted, target, { tables: [], excluded: [] });
  assert.deepEqual(
    found.findings.map(({ name, what }) => `${name} ${what}`),
    ['table public.b comment is unset in the target, not x', 'table public.c is missing in the target'],
  );
  assert.doesNotMatch(found.script.map(({ sql }) => sql).join('\n'), /GRANT|REVOKE|OWNER|ROLE/);
});
