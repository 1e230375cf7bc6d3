import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Finding } from '../../../../../core/api/check.ts';
import type { Ownership } from '../../../../../core/api/ownership.ts';
import { PostgresSource } from '../../../../../plugins/source-postgres/source.ts';
import { database, server, type TestDatabase } from '../../../../support/servers.ts';
import { calm, ownershipInMemory, postgresSource } from '../../../../support/source-context.ts';
import { readCatalog } from '../../../../../core/api/source.ts';

/** What a pipeline did not make stays as it is, whatever it is called. Each test is two owners of one name. */
const majors = [14, 18];
for (const major of majors) await server(major);

async function source(db: TestDatabase, ownership: Ownership, options: { slot?: string; publication?: string } = {}) {
  const made = postgresSource(
    {
      url: db.url,
      ...(options.slot === undefined ? {} : { slot: { name: options.slot } }),
      ...(options.publication === undefined ? {} : { publication: { name: options.publication } }),
    },
    'shop',
  ) as PostgresSource;
  made.control.claim(ownership);
  return made;
}

async function start(of: PostgresSource): Promise<void> {
  const { tables } = await readCatalog(of, calm);
  await of.control.publication.publish(
    tables.map(({ relation }) => ({ relation, where: null, columns: null })),
    calm,
  );
  await (await of.snapshot.open({ kind: 'new' }, calm))[Symbol.asyncDispose]();
}

async function errors(of: PostgresSource): Promise<string[]> {
  const found: Finding[] = [];
  await of.check({ add: (finding) => void found.push(finding) }, calm);
  return found.filter(({ level }) => level === 'error').map(({ check }) => check);
}

async function there(db: TestDatabase): Promise<string[]> {
  const rows = await db.query<{ name: string }>(
    `SELECT 'slot ' || slot_name AS name FROM pg_replication_slots WHERE slot_name LIKE '%${db.name}%'
     UNION ALL SELECT 'publication ' || pubname FROM pg_publication
     UNION ALL SELECT 'trigger ' || evtname FROM pg_event_trigger UNION ALL SELECT 'schema ' || nspname FROM pg_namespace
       WHERE nspname = 'pgsluice' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

async function fresh(major: number): Promise<TestDatabase> {
  const db = await database(await server(major), 'own');
  await db.query('CREATE TABLE t (id int PRIMARY KEY)');
  return db;
}

for (const major of majors) {
  const named = (db: TestDatabase) => ({ slot: `s_${db.name}`, publication: `p_${db.name}` });

  test(`a session that is cut before its new slot is kept is told as lost, and another start makes it, on ${major}`, async () => {
    const db = await fresh(major);
    const memory = ownershipInMemory({ store: 'one' });
    const cut = async (): Promise<void> => {
      const ended =
        await db.query(`SELECT pg_terminate_backend(active_pid) AS ended, slot_name FROM pg_replication_slots
        WHERE database = current_database() AND temporary`);
      assert.equal(ended.length, 1);
      while ((await db.query('SELECT FROM pg_replication_slots WHERE database = current_database()')).length > 0);
    };
    const cutting: Ownership = {
      ...memory,
      note: async (object, value) => {
        await memory.note(object, value);
        if (object.includes('slot')) await cut();
      },
    };
    const first = await source(db, cutting, named(db));
    await assert.rejects(start(first), { code: 'PGS2005', retry: 'backoff' });
    await start(await source(db, memory, named(db)));
    assert.equal((await there(db)).length, 2);
  });

  test(`another state of the same pipeline (the same file against another target) leaves the first alone, on ${major}`, async () => {
    const db = await fresh(major);
    const first = await source(db, ownershipInMemory({ store: 'one' }), named(db));
    await start(first);
    const before = await there(db);
    assert.equal(before.length, 2);
    assert.deepEqual(await errors(first), []);
    const second = await source(db, ownershipInMemory({ store: 'two' }), named(db));
    assert.deepEqual(await errors(second), ['slot-owner', 'publication-owner']);
    await assert.rejects(start(second), { code: 'PGS2180' });
    await assert.rejects(
      second.control.slot.make(calm).then((at) => assert.equal(at, null) ?? start(second)),
      { code: 'PGS2180' },
    );
    assert.deepEqual(await second.control.cleanup(calm), []);
    assert.match(
      ((await second.control.foreign(calm)) ?? []).join('\n'),
      /pg_drop_replication_slot[^]*DROP PUBLICATION/,
    );
    assert.deepEqual(await there(db), before);
    // One of a pipeline that never ran has no id at all.
    const never = await source(db, ownershipInMemory({ id: null, store: 'two', named: 'elsewhere' }), named(db));
    assert.deepEqual(await never.control.cleanup(calm), []);
    assert.deepEqual(await there(db), before);
    // With the place of its state, what a lost state had made is known; also by that place's name, once it cannot be reached.
    assert.equal((await first.control.cleanup(calm)).length, 2);
    assert.deepEqual(await there(db), []);
    assert.deepEqual(await first.control.cleanup(calm), []);
  });

  test(`a lost state: known by its place, or by the name of the place, on ${major}`, async () => {
    for (const lost of [
      { id: null, store: 'one', named: 'other name' },
      { id: 'a later state', store: 'one' },
      { id: null, store: null, named: 'target' },
    ]) {
      const db = await fresh(major);
      await start(await source(db, ownershipInMemory({ store: 'one', named: 'target' }), named(db)));
      const other = { id: null, store: lost.store === null ? null : 'two', named: 'elsewhere' };
      const stranger = await source(db, ownershipInMemory(other), named(db));
      assert.deepEqual(await stranger.control.cleanup(calm), []);
      const heir = await source(db, ownershipInMemory(lost), named(db));
      assert.equal((await heir.control.cleanup(calm)).length, 2, JSON.stringify(lost));
      assert.deepEqual(await there(db), []);
    }
  });

  test(`the same pipeline in another database of the server, a debezium slot, a standby's slot: left alone, on ${major}`, async () => {
    const [db, elsewhere] = [await fresh(major), await fresh(major)];
    const ownership = ownershipInMemory({ store: 'one' });
    await start(await source(db, ownership, { slot: `s_${db.name}`, publication: 'p' }));
    const before = await there(db);
    const other = await source(elsewhere, ownershipInMemory({ store: 'one' }), {
      slot: `s_${db.name}`,
      publication: 'p',
    });
    assert.deepEqual(await errors(other), ['slot-owner']);
    await assert.rejects(start(other), { code: 'PGS2113' });
    assert.deepEqual(await other.control.cleanup(calm), ['publication p']);
    assert.deepEqual(await there(db), before);
    await db.query(`SELECT pg_create_logical_replication_slot('d_${db.name}', 'test_decoding')`);
    await db.query(`SELECT pg_create_physical_replication_slot('f_${db.name}')`);
    for (const slot of [`d_${db.name}`, `f_${db.name}`]) {
      const third = await source(db, ownershipInMemory({ store: 'three' }), { slot, publication: `p_${slot}` });
      assert.deepEqual(await errors(third), ['slot-owner']);
      await assert.rejects(start(third), { code: 'PGS2113' });
      assert.deepEqual(await third.control.cleanup(calm), [`publication p_${slot}`]);
      // Not even where its notes say that it made one of the name.
      await third.control.claim(ownershipInMemory({ noted: () => ({ system: '1', from: '0/1' }) }));
      assert.deepEqual(await third.control.cleanup(calm), []);
    }
    assert.equal((await there(db)).length, before.length + 2);
    await db.query(`SELECT pg_drop_replication_slot('f_${db.name}')`);
  });

  test(`a user's publications are neither altered nor dropped, on ${major}`, async () => {
    const db = await fresh(major);
    await db.query(
      'CREATE TABLE u (id int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES; CREATE PUBLICATION few FOR TABLE u',
    );
    const state = `SELECT oid::text, xmin::text, (SELECT count(*)::text FROM pg_publication_rel) FROM pg_publication ORDER BY 1`;
    const before = await db.query(state);
    for (const publication of ['everything', 'few']) {
      const of = await source(db, ownershipInMemory(), { slot: `s_${db.name}`, publication });
      assert.deepEqual(await errors(of), ['publication-owner']);
      await assert.rejects(start(of), { code: 'PGS2180' });
      assert.deepEqual(await of.control.cleanup(calm), []);
    }
    assert.deepEqual(await db.query(state), before);
  });

  test(`a slot or publication that somebody made again is no longer ours, on ${major}`, async () => {
    const db = await fresh(major);
    let reached = 0n;
    const ownership = ownershipInMemory({ store: 'one', reached: async () => reached });
    const of = await source(db, ownership, named(db));
    await start(of);
    reached = (await of.open(calm)).end;
    await db.query(
      `SELECT pg_drop_replication_slot('s_${db.name}'); SELECT pg_create_logical_replication_slot('s_${db.name}', 'pgoutput')`,
    );
    await db.query(`DROP PUBLICATION p_${db.name}; CREATE PUBLICATION p_${db.name} FOR TABLE t`);
    assert.deepEqual(await of.control.cleanup(calm), []);
    assert.equal((await there(db)).length, 2);
  });

  test(`event triggers of the name, and a schema pgsluice with what a user made, stay, on ${major}`, async () => {
    const db = await fresh(major);
    const options = { slot: `s_${db.name}`, publication: 'p' };
    const of = await source(db, ownershipInMemory(), options);
    await start(of);
    await db.query(`CREATE FUNCTION theirs() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END';
      CREATE EVENT TRIGGER s_${db.name}_ddl ON ddl_command_end EXECUTE FUNCTION theirs()`);
    await assert.rejects(of.ddl.follow(calm), { code: 'PGS2183' });
    assert.deepEqual(await of.control.cleanup(calm), [`replication slot s_${db.name}`, 'publication p']);
    assert.deepEqual(await there(db), [`trigger s_${db.name}_ddl`]);
    await db.query(`DROP EVENT TRIGGER s_${db.name}_ddl; CREATE SCHEMA pgsluice`);
    await start(of);
    await of.ddl.follow(calm);
    await of.ddl.follow(calm);
    const stranger = await source(db, ownershipInMemory(), options);
    await assert.rejects(stranger.ddl.follow(calm), { code: 'PGS2183' });
    assert.deepEqual(await stranger.control.cleanup(calm), []);
    assert.equal((await of.control.cleanup(calm)).length, 5);
    // The user's schema stays, though it is empty.
    assert.deepEqual(await there(db), ['schema pgsluice']);
  });
}
