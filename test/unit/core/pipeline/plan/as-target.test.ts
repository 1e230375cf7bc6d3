import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asTarget } from '../../../../../core/pipeline/plan/as-target.ts';
import {
  type Manifest,
  type ManifestObject,
  type ObjectKind,
  keyOf,
} from '../../../../../core/postgres/manifest/types.ts';

function manifest(objects: readonly ManifestObject[]): Manifest {
  return { version: 170_000, objects: new Map(objects.map((one) => [keyOf(one), one])), roles: new Set() };
}

function object(kind: ObjectKind, name: readonly string[], props: ManifestObject['props'] = {}): ManifestObject {
  return { kind, name, props, facts: {}, needs: [] };
}

const keys = (of: Manifest) => [...of.objects.values()].map(({ kind, name }) => `${kind} ${name.join('.')}`);

test('what the file leaves out is not wanted in the target, and nothing of the same name elsewhere', () => {
  const source = manifest([
    object('schema', ['cron']),
    object('table', ['cron', 'job']),
    object('table', ['public', 'cron']),
    object('extension', ['cron']),
    object('extension', ['hstore']),
    object('publication', ['cron']),
  ]);
  const exclude = { extensions: ['hstore'], schemas: ['cron'] };
  assert.deepEqual(keys(asTarget(source, { exclude })), ['table public.cron', 'extension cron', 'publication cron']);
  assert.deepEqual(keys(asTarget(source, {})), keys(source));
});

test('roles have their names of the target in owners, rights, policies, defaults and settings', () => {
  const source = manifest([
    object('table', ['s', 't'], {
      owner: 'old',
      acl: '{"@owner":{"ALL":false},"app":{"r":true},"reader":{"r":false}}',
    }),
    object('policy', ['s', 't', 'p'], { roles: '["other","reader"]' }),
    object('default privileges', ['old', 's', 'r'], { acl: '{"reader":{"r":false}}' }),
    object('role settings', ['reader'], {}),
  ]);
  const roles = new Map([
    ['old', 'app'],
    ['reader', 'a reader'],
  ]);
  const mapped = asTarget(source, { roles });
  assert.deepEqual(keys(mapped), ['table s.t', 'policy s.t.p', 'default privileges app.s.r', 'role settings a reader']);
  const [table, policy] = [...mapped.objects.values()];
  // The owner's rights are its own: those that it was granted besides come to nothing more.
  assert.deepEqual(table!.props, { owner: 'app', acl: '{"@owner":{"ALL":false},"a reader":{"r":false}}' });
  assert.deepEqual(policy!.props, { roles: '["a reader","other"]' });
});
