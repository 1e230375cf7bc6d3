import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

const folder = join(import.meta.dirname, 'debezium');

/** A database of which Debezium's records were kept: `rows` comes twice, before the snapshot and in the stream. */
interface Files {
  readonly schema: readonly string[];
  readonly rows: string;
  /** Beside `rows`, before the snapshot. */
  readonly before: readonly string[];
  readonly stream: string;
  /** The last statement. */
  readonly last: string;
}

const files = {
  zoo: {
    schema: ['zoo.sql', 'games-schema.sql'],
    rows: 'zoo-rows.sql',
    before: ['games-rows.sql'],
    stream: 'games-stream.sql',
    last: 'insert into empty_one values (777)',
  },
  /** Releases before 3.7 do not start where a domain over an enum is. */
  older: {
    schema: ['zoo.sql', 'games-schema.sql'],
    rows: 'zoo-rows.sql',
    before: ['games-rows.sql'],
    stream: 'games-stream.sql',
    last: 'insert into empty_one values (777)',
  },
  more: {
    schema: ['more.sql'],
    rows: 'more-rows.sql',
    before: [],
    stream: 'more-stream.sql',
    last: 'insert into ended values (777)',
  },
  far: {
    schema: ['far.sql'],
    rows: 'far-rows.sql',
    before: [],
    stream: 'far-stream.sql',
    last: 'insert into ended values (777)',
  },
  /** Types beside each other as no application has them: domains, keys of every kind, defaults, names, DDL on the way (odd.sql). */
  odd: {
    schema: ['odd.sql'],
    rows: 'odd-rows.sql',
    before: [],
    stream: 'odd-stream.sql',
    last: 'insert into ended values (777)',
  },
} satisfies Record<string, Files>;

export type DatabaseName = keyof typeof files;

const nan = {
  before: `create table zoo_nan (id int primary key, n numeric, n2 numeric(10,2), na numeric[]);
    insert into zoo_nan values (1, 'NaN', 'NaN', '{NaN,1}'), (2, 'Infinity', 1.5, '{Infinity,-Infinity}'), (3, '-Infinity', null, null), (4, 1.50, 1.50, '{1.50}');`,
  after: `insert into zoo_nan select id + 10, n, n2, na from zoo_nan; delete from zoo_nan where id = 1;`,
};

/** What a database is made of; in `rows` and `stream` `:k` stands for what is added to the ids. */
export interface Texts {
  readonly schema: readonly string[];
  readonly rows: string;
  readonly before: readonly string[];
  readonly stream: readonly string[];
}

export async function textsOf(name: DatabaseName, withNan: boolean): Promise<Texts> {
  const { schema, rows, before, stream, last } = files[name] as Files;
  const read = (file: string) => readFile(join(folder, file), 'utf8');
  return {
    schema: (await Promise.all(schema.map(read))).map((text) =>
      name === 'older' ? text.replace('domain d_mood as mood', 'domain d_mood as text') : text,
    ),
    rows: await read(rows),
    before: [...(await Promise.all(before.map(read))), ...(withNan ? [nan.before] : [])],
    stream: [...(withNan ? [nan.after] : []), await read(stream), last],
  };
}
