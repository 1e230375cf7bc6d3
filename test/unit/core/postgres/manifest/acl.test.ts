import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normaliseAcl } from '../../../../../core/postgres/manifest/acl.ts';
import { difference } from '../../../../../core/postgres/manifest/difference.ts';
import type { Manifest, ManifestObject } from '../../../../../core/postgres/manifest/types.ts';

interface Side {
  readonly owner: string;
  readonly acl: string | null;
}

function manifest(kind: 'database' | 'table', { owner, acl }: Side): Manifest {
  const props = { acl: normaliseAcl(acl, { type: kind === 'table' ? 'r' : 'd', owner, major: 17 }) };
  const object: ManifestObject = {
    kind,
    name: ['shop'],
    props: kind === 'table' ? { ...props, owner } : props,
    facts: kind === 'table' ? {} : { owner },
    needs: [],
  };
  return { major: 17, objects: new Map([['shop', object]]) } as unknown as Manifest;
}

function differ(there: Side, wanted: Side, kind: 'database' | 'table' = 'database'): boolean {
  return difference(manifest(kind, there), manifest(kind, wanted), { owners: false }).length > 0;
}

const mine = { owner: 'mover', acl: null };
const theirs = (acl: string | null) => ({ owner: 'app', acl });

test('what is granted to the role that owns the copy is held there without a grant', () => {
  assert.equal(differ(mine, theirs('{=Tc/app,app=CTc/app,mover=C/app}')), false);
  assert.equal(differ(mine, theirs('{=Tc/app,app=CTc/app,mover=C*T/app}')), false);
  assert.equal(
    differ({ owner: 'mover', acl: '{=Tc/mover,mover=CTc/mover}' }, theirs('{=Tc/app,app=CTc/app,mover=C/app}')),
    false,
  );
  assert.equal(differ(theirs('{=Tc/app,app=CTc/app,mover=C/app}'), mine), false, 'nor on the way back');
  assert.equal(differ(mine, theirs('{app=arwdDxtm/app,mover=r/app}'), 'table'), false);
});

test('grants to others, of PUBLIC, and rights that an owner gave up still differ', () => {
  assert.equal(differ(mine, theirs('{=Tc/app,app=CTc/app,mover=C/app,reader=C/app}')), true);
  assert.equal(differ(mine, theirs('{app=CTc/app,mover=C/app}')), true);
  assert.equal(
    differ({ owner: 'mover', acl: '{=Tc/mover,mover=Tc/mover}' }, theirs('{=Tc/app,app=CTc/app,mover=C/app}')),
    true,
  );
  assert.equal(differ(mine, { owner: 'mover', acl: '{=Tc/mover,mover=CTc/mover,app=C/mover}' }), true);
  assert.equal(differ(mine, theirs('{app=arwdDxtm/app,reader=r/app}'), 'table'), true);
  assert.equal(differ(mine, theirs(null)), false);
});
