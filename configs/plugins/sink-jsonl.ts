import { appendFile, mkdir, open, readFile, rename, rm, truncate, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import type {
  Change,
  CommitLsn,
  PluginContext,
  Receipt,
  Relation,
  Sink,
  SinkPlugin,
  SnapshotSink,
  StreamBatch,
  StreamSink,
  TablePlan,
} from 'pgsluice/api';

interface JsonlOptions {
  readonly file: string;
}

/** A sink from outside: rows and changes as lines of JSON in a file. */
const plugin: SinkPlugin<JsonlOptions> = {
  kind: 'sink',
  name: 'jsonl',
  apiVersion: 1,
  summary: 'Appends rows and changes to a file, a JSON object a line',
  options: {
    type: 'object',
    additionalProperties: false,
    required: ['file'],
    properties: { file: { type: 'string', minLength: 1, description: 'The file, relative to the pipeline file.' } },
  },
  create: async (options, context) => jsonl(options, context),
};
export default plugin;

type Line = { readonly [key: string]: unknown };

function jsonl({ file }: JsonlOptions, context: PluginContext): Sink {
  const log = new JsonLines(resolve(context.directory, file));
  return {
    traits: async () => ({ keepsPosition: true, replaysOverlap: true }),
    snapshot: snapshotSink(log),
    stream: streamSink(log),
    cleanup: async () => ((await log.remove()) ? [`position of ${file}`] : []),
    [Symbol.asyncDispose]: async () => {},
  };
}

function snapshotSink(log: JsonLines): SnapshotSink {
  return {
    // A copy that starts again cannot take lines back out of the file, so it says where the good ones begin.
    begin: async (plan: TablePlan) => {
      await log.append([{ op: 'begin', table: nameOf(plan.output) }]);
    },
    load: async (plan, copy) => {
      if (copy.kind !== 'rows') throw new Error('raw frames were not asked for');
      // A chunk is in the file whole or not at all: lines are held until the last one is there.
      const lines: Line[] = [];
      for await (const rows of copy.rows) {
        for (const row of rows) {
          lines.push({ op: 'row', table: nameOf(plan.output), row: object(plan.output, row) });
        }
      }
      const bytes = await log.append(lines);
      return { rows: BigInt(lines.length), bytes };
    },
    loaded: async () => log.sync(),
    // From here on the copied rows are what a restart of the stream goes back to.
    finish: async () => log.commit(null),
  };
}

function streamSink(log: JsonLines): StreamSink {
  let durable: CommitLsn | null = null;
  return {
    resume: async () => {
      durable = await log.recover();
      return durable;
    },
    write: async (batch: StreamBatch): Promise<Receipt> => {
      await log.append(batch.changes.flatMap(lineOf));
      if (batch.boundary === null) return { status: 'accepted' };
      await log.commit(batch.boundary);
      durable = batch.boundary;
      return { status: 'durable', upTo: batch.boundary };
    },
    flush: async () => durable,
  };
}

function lineOf(change: Change): Line[] {
  if (change.kind === 'message') return [];
  if (change.kind === 'truncate') return [{ op: 'truncate', tables: change.relations.map(nameOf) }];
  const old =
    change.kind === 'insert' || change.before === null ? {} : { old: object(change.relation, change.before.tuple) };
  const now = change.kind === 'delete' ? {} : { row: object(change.relation, change.after) };
  return [{ op: change.kind, table: nameOf(change.relation), ...old, ...now }];
}

/** Columns by name; one whose value was not sent (large and unchanged) is left out. */
function object(relation: Relation, row: readonly (string | null | symbol)[]): Line {
  const cells = relation.columns.map((column, i) => [column.name, row[i]] as const);
  return Object.fromEntries(cells.filter(([, cell]) => typeof cell !== 'symbol'));
}

const nameOf = (relation: { readonly schema: string; readonly name: string }) => `${relation.schema}.${relation.name}`;

/**
 * The file, and beside it how long it was at which commit. After a crash the file is cut back to that length, so that
 * nothing is doubled: the stream starts again at that commit.
 */
class JsonLines {
  readonly #file: string;
  readonly #state: string;

  constructor(file: string) {
    this.#file = file;
    this.#state = `${file}.position`;
  }

  async append(lines: readonly Line[]): Promise<number> {
    if (lines.length === 0) return 0;
    const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
    await mkdir(dirname(this.#file), { recursive: true });
    await appendFile(this.#file, text);
    return Buffer.byteLength(text);
  }

  async commit(at: CommitLsn | null): Promise<void> {
    const length = await this.#sync();
    const next = `${this.#state}.new`;
    await writeFile(next, JSON.stringify({ at: at === null ? null : at.toString(), length }), { flush: true });
    await rename(next, this.#state);
  }

  async recover(): Promise<CommitLsn | null> {
    const text = await readFile(this.#state, 'utf8').catch(() => null);
    if (text === null) return null;
    const state = JSON.parse(text) as { at: string | null; length: number };
    await truncate(this.#file, state.length);
    return state.at === null ? null : (BigInt(state.at) as CommitLsn);
  }

  async remove(): Promise<boolean> {
    const there = await readFile(this.#state).catch(() => null);
    await rm(this.#state, { force: true });
    return there !== null;
  }

  /** Writes the file out to the disk. */
  async sync(): Promise<void> {
    await this.#sync();
  }

  /** Its length then. */
  async #sync(): Promise<number> {
    await mkdir(dirname(this.#file), { recursive: true });
    const handle = await open(this.#file, 'a');
    try {
      await handle.sync();
      return (await handle.stat()).size;
    } finally {
      await handle.close();
    }
  }
}
