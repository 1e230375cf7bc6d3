/**
 * One relative each of "a key identifies a row only while it is enforced". `source` and `target` make the table `name`, `work` is a
 * list of transactions of the source.
 */
export interface Relative {
  readonly name: string;
  readonly source: string;
  /** Where it differs from the source's table (without its rows). */
  readonly target?: string;
  readonly work: readonly string[];
  /** Keys of a transform for this table. */
  readonly transform?: string;
  /** What the target must hold, as a query of the source; default the whole table. */
  readonly shows?: string;
  /** Oldest major that knows its syntax. */
  readonly since?: number;
}

/** Shifts, a rotation, a swap, delete and insert of one key, twins that part again; SET CONSTRAINTS is nothing where none may wait. */
const shifts = (name: string): readonly string[] => [
  `UPDATE ${name} SET id = id + 1`,
  `BEGIN; SET CONSTRAINTS ALL DEFERRED;
     UPDATE ${name} SET id = CASE id WHEN 5 THEN 6 WHEN 6 THEN 7 ELSE 5 END WHERE id IN (5, 6, 7); COMMIT`,
  `BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE ${name} SET id = 9 WHERE id = 8; UPDATE ${name} SET id = 8 WHERE v = 'v8';
     DELETE FROM ${name} WHERE id = 10; INSERT INTO ${name} VALUES (10, 'again'); COMMIT`,
  `BEGIN; SET CONSTRAINTS ALL DEFERRED; INSERT INTO ${name} VALUES (12, 'twin'); UPDATE ${name} SET v = 'old' WHERE v = 'v11';
     DELETE FROM ${name} WHERE v = 'old'; COMMIT`,
  `UPDATE ${name} SET id = id - 1`,
  `UPDATE ${name} SET v = v || '!' WHERE id % 2 = 0`,
];
const rows = (name: string) => `INSERT INTO ${name} SELECT i, 'v' || i FROM generate_series(1, 50) i;`;
const full = (name: string) => `ALTER TABLE ${name} REPLICA IDENTITY FULL;`;
const keyed = (name: string, how: string) => `CREATE TABLE ${name} (id int PRIMARY KEY ${how}, v text); ${full(name)}`;
/** Keys that move without meeting one another, as an immediate key allows. */
const steps = (name: string): readonly string[] => [
  `UPDATE ${name} SET id = id + 1000`,
  `BEGIN; UPDATE ${name} SET id = -1 WHERE id = 1005; UPDATE ${name} SET id = 1005 WHERE id = 1006;
     UPDATE ${name} SET id = 1006 WHERE id = -1; DELETE FROM ${name} WHERE id = 1010; INSERT INTO ${name} VALUES (1010, 'again'); COMMIT`,
  `UPDATE ${name} SET id = id - 1000, v = v || '!'`,
];
const under = (name: string, target: string): Relative => ({
  name,
  source: keyed(name, '') + rows(name),
  target: `CREATE TABLE ${name} (id int, v text); ${target}`,
  work: steps(name),
});
const any = `CREATE COLLATION IF NOT EXISTS any_case (provider = icu, locale = 'und-u-ks-level2', deterministic = false);`;
/** Both letters are keys of their own on one side at least. */
const letters = (name: string): readonly string[] => [
  `UPDATE ${name} SET v = v || '1' WHERE k COLLATE "C" = 'A'`,
  `UPDATE ${name} SET k = 'B' WHERE k COLLATE "C" = 'b'`,
  `BEGIN; DELETE FROM ${name} WHERE k COLLATE "C" = 'a'; INSERT INTO ${name} VALUES ('a', 'again'); COMMIT`,
  `BEGIN; DELETE FROM ${name} WHERE k COLLATE "C" = 'A'; UPDATE ${name} SET v = v || '2'; COMMIT`,
];
const lettered = (name: string, type: string, key = 'PRIMARY KEY') =>
  `CREATE TABLE ${name} (k ${type} ${key}, v text);`;

export const relatives: readonly Relative[] = [
  {
    name: 'checked_late',
    source: keyed('checked_late', 'DEFERRABLE INITIALLY IMMEDIATE') + rows('checked_late'),
    work: shifts('checked_late'),
  },
  {
    name: 'checked_at_end',
    source: keyed('checked_at_end', 'DEFERRABLE INITIALLY DEFERRED') + rows('checked_at_end'),
    work: shifts('checked_at_end'),
  },
  {
    name: 'late_here_only',
    source: keyed('late_here_only', 'DEFERRABLE') + rows('late_here_only'),
    target: 'CREATE TABLE late_here_only (id int, v text)',
    work: shifts('late_here_only'),
  },
  under('late_there_only', 'ALTER TABLE late_there_only ADD PRIMARY KEY (id) DEFERRABLE;'),
  under('partial', 'CREATE UNIQUE INDEX ON partial (id) WHERE id < 1000;'),
  under('expression', 'CREATE UNIQUE INDEX ON expression ((id + 1));'),
  under('nullable', 'CREATE UNIQUE INDEX ON nullable (id);'),
  under('including', 'ALTER TABLE including ALTER id SET NOT NULL; CREATE UNIQUE INDEX ON including (id) INCLUDE (v);'),
  under('wider', 'ALTER TABLE wider ADD PRIMARY KEY (id, v);'),
  under('wordy', 'ALTER TABLE wordy ALTER id TYPE text USING id::text, ADD PRIMARY KEY (id);'),
  {
    name: 'twins',
    source: `CREATE TABLE twins (id int, v text, j json, n numeric, p point); ${full('twins')}
      INSERT INTO twins SELECT i % 3, 'v', '{"a": 1}', CASE WHEN i % 2 = 0 THEN 1.0 ELSE 1.00 END, '(1,2)' FROM generate_series(1, 30) i;
      INSERT INTO twins SELECT NULL, NULL, NULL, NULL, NULL FROM generate_series(1, 4);`,
    work: [
      `DELETE FROM twins WHERE ctid IN (SELECT ctid FROM twins WHERE id = 1 AND n::text = '1.00' LIMIT 2)`,
      `UPDATE twins SET v = 'w' WHERE ctid IN (SELECT ctid FROM twins WHERE id IS NULL LIMIT 3)`,
      `UPDATE twins SET n = 1.00 WHERE ctid IN (SELECT ctid FROM twins WHERE id = 2 AND n::text = '1.0' LIMIT 1)`,
      `UPDATE twins SET id = id + 1`,
    ],
  },
  {
    name: 'null_keys',
    source: `CREATE TABLE null_keys (k int UNIQUE, l text, v text); ${full('null_keys')}
      INSERT INTO null_keys SELECT nullif(i % 40, i), 'x', 'v' || i FROM generate_series(1, 60) i WHERE i > 39 OR i % 40 = i;`,
    target: 'CREATE TABLE null_keys (k int, l text, v text); CREATE UNIQUE INDEX ON null_keys (k) INCLUDE (l);',
    work: [`UPDATE null_keys SET v = v || '!' WHERE k IS NULL`, `DELETE FROM null_keys WHERE k IS NULL AND v < 'v2'`],
  },
  {
    name: 'no_two_nulls',
    since: 15,
    source: `CREATE TABLE no_two_nulls (k int, v text, UNIQUE NULLS NOT DISTINCT (k)); ${full('no_two_nulls')}
      INSERT INTO no_two_nulls VALUES (NULL, 'a'), (1, 'b');`,
    work: [
      `BEGIN; UPDATE no_two_nulls SET k = 2 WHERE k IS NULL; UPDATE no_two_nulls SET k = NULL WHERE k = 1; COMMIT`,
      `UPDATE no_two_nulls SET v = 'c' WHERE k IS NULL`,
    ],
  },
  {
    name: 'any_there',
    source: `${any} ${lettered('any_there', 'text COLLATE "C"')} INSERT INTO any_there VALUES ('a', 'x'), ('A', 'y'), ('b', 'z');`,
    target: any + lettered('any_there', 'text COLLATE any_case', ''),
    work: letters('any_there'),
  },
  {
    name: 'any_there_full',
    source: `${lettered('any_there_full', 'text COLLATE "C"')} ${full('any_there_full')}
      INSERT INTO any_there_full VALUES ('a', 'x'), ('A', 'y'), ('b', 'z');`,
    target: `${any} ${lettered('any_there_full', 'text COLLATE any_case NOT NULL', '')} CREATE UNIQUE INDEX ON any_there_full (k COLLATE "C");`,
    work: letters('any_there_full'),
  },
  {
    name: 'any_here',
    source: `${any} ${lettered('any_here', 'text COLLATE any_case')} INSERT INTO any_here VALUES ('a', 'x'), ('b', 'z');`,
    target: lettered('any_here', 'text COLLATE "C"'),
    work: [
      `UPDATE any_here SET k = 'A' WHERE k = 'a'`,
      `BEGIN; DELETE FROM any_here WHERE k = 'B'; INSERT INTO any_here VALUES ('B', 'y'); UPDATE any_here SET k = 'b', v = 'w' WHERE k = 'b'; COMMIT`,
      `DELETE FROM any_here WHERE k = 'a'`,
    ],
  },
  {
    name: 'citext_there',
    source: `${lettered('citext_there', 'text')} INSERT INTO citext_there VALUES ('a', 'x'), ('A', 'y'), ('b', 'z');`,
    target: `CREATE EXTENSION IF NOT EXISTS citext; ${lettered('citext_there', 'citext', '')}`,
    work: letters('citext_there'),
  },
  {
    name: 'citext_both',
    source: `CREATE EXTENSION IF NOT EXISTS citext; ${lettered('citext_both', 'citext')} INSERT INTO citext_both VALUES ('a', 'x'), ('b', 'z');`,
    work: [
      `UPDATE citext_both SET k = 'A', v = 'y' WHERE k = 'a'`,
      `BEGIN; DELETE FROM citext_both WHERE k = 'B'; INSERT INTO citext_both VALUES ('B', 'w'); UPDATE citext_both SET k = 'b' WHERE k = 'b'; COMMIT`,
    ],
  },
  {
    name: 'filtered_case',
    source: `${lettered('filtered_case', 'text COLLATE "C"')} INSERT INTO filtered_case VALUES ('a', 'x'), ('A', 'hide'), ('b', 'hide');`,
    target: any + lettered('filtered_case', 'text COLLATE any_case'),
    transform: `plugin: filter\n    where: v <> 'hide'`,
    shows: `SELECT * FROM filtered_case WHERE v <> 'hide'`,
    // Of 'A' nothing is there, so nothing of 'a' may be taken for it.
    work: [
      `UPDATE filtered_case SET v = 'hide' WHERE k = 'A'`,
      `DELETE FROM filtered_case WHERE k = 'A'`,
      `UPDATE filtered_case SET v = 'z' WHERE k = 'b'`,
    ],
  },
  ...['', ' DEFERRABLE'].map((how): Relative => {
    const name = how === '' ? 'digits' : 'digits_late';
    return {
      name,
      source: `CREATE TABLE ${name} (k numeric, f float8, c char(4), v text, PRIMARY KEY (k, f, c)${how}); ${how === '' ? '' : full(name)}
        INSERT INTO ${name} VALUES (1.0, 0, 'a', 'x'), (2.00, 'NaN', 'b ', 'y'), ('NaN', '-0', 'c', 'z'), (3, 'Infinity', '', 'w');`,
      work: [
        `UPDATE ${name} SET k = 1.00, f = '-0', v = 'x1' WHERE k = 1`,
        `UPDATE ${name} SET f = 0, v = 'z1' WHERE k = 'NaN'`,
        `BEGIN; DELETE FROM ${name} WHERE k = 2; INSERT INTO ${name} VALUES (2.000, 'NaN', 'b', 'again'); UPDATE ${name} SET v = v || '!' WHERE k = 2.0; COMMIT`,
        `UPDATE ${name} SET k = k + 1, c = 'd' WHERE k <> 'NaN'`,
      ],
    };
  }),
  {
    name: 'padded',
    source: `CREATE TABLE padded (k char(4) PRIMARY KEY, v text); INSERT INTO padded VALUES ('a', 'x'), ('b ', 'y'), ('', 'z');`,
    target: 'CREATE TABLE padded (k text PRIMARY KEY, v text)',
    work: [
      `UPDATE padded SET v = v || '!'`,
      `UPDATE padded SET k = 'c' WHERE k = 'b'`,
      `DELETE FROM padded WHERE k = ''`,
    ],
  },
  {
    name: 'other_index',
    source: `CREATE TABLE other_index (id int PRIMARY KEY, k int NOT NULL, v text); CREATE UNIQUE INDEX other_index_k ON other_index (k);
      ALTER TABLE other_index REPLICA IDENTITY USING INDEX other_index_k; INSERT INTO other_index SELECT i, i + 100, 'v' || i FROM generate_series(1, 30) i;`,
    target: 'CREATE TABLE other_index (id int, k int, v text)',
    work: [
      `UPDATE other_index SET k = k + 100`,
      `UPDATE other_index SET v = v || '!' WHERE id < 20`,
      `DELETE FROM other_index WHERE id > 25`,
    ],
  },
  {
    name: 'masked_key',
    source: keyed('masked_key', '') + rows('masked_key'),
    target: 'CREATE TABLE masked_key (id int, v text)',
    transform: 'plugin: set\n    columns: { id: "id % 3" }',
    shows: 'SELECT id % 3 AS id, v FROM masked_key',
    work: steps('masked_key'),
  },
  {
    name: 'renamed_key',
    source: keyed('renamed_key', 'DEFERRABLE') + rows('renamed_key'),
    target: 'CREATE TABLE renamed_key (ident int PRIMARY KEY DEFERRABLE, v text)',
    transform: 'plugin: rename\n    columns: { id: ident }',
    shows: 'SELECT id AS ident, v FROM renamed_key',
    work: shifts('renamed_key'),
  },
  {
    name: 'second_key',
    source: `CREATE TABLE second_key (id int PRIMARY KEY, u int UNIQUE DEFERRABLE, r int4range, EXCLUDE USING gist (r WITH &&) DEFERRABLE);
      INSERT INTO second_key SELECT i, i, int4range(i * 10, i * 10 + 10) FROM generate_series(1, 30) i;`,
    work: [
      `UPDATE second_key SET u = u + 1`,
      `UPDATE second_key SET r = int4range(lower(r) + 10, upper(r) + 10)`,
      `BEGIN; SET CONSTRAINTS ALL DEFERRED; UPDATE second_key SET u = 6 WHERE id = 4; UPDATE second_key SET u = 5 WHERE id = 5; COMMIT`,
    ],
  },
  {
    name: 'immediate_second',
    source: `CREATE TABLE immediate_second (id int PRIMARY KEY, u int UNIQUE, r int4range, EXCLUDE USING gist (r WITH &&));
      INSERT INTO immediate_second SELECT i, i, int4range(i * 10, i * 10 + 10) FROM generate_series(1, 30) i;`,
    work: [
      `BEGIN; UPDATE immediate_second SET u = -u; UPDATE immediate_second SET u = 1 - u; COMMIT`,
      `BEGIN; UPDATE immediate_second SET r = int4range(-upper(r), -lower(r)); UPDATE immediate_second SET r = int4range(-upper(r) + 5, -lower(r) + 5); COMMIT`,
    ],
  },
];
