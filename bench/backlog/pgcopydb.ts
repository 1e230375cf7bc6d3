import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { script } from '../support/processes.ts';
import type { Contender, Sample } from '../support/rounds.ts';
import type { Field } from './field.ts';
import { arrived, since, Watch } from './watch.ts';

/** The field copies the slot of test_decoding under names that end so. */
const slot = 'bench_pgcopydb_text';
const workSlot = 'bench_pgcopydb_work';
/** Seconds after which it is taken to hang. */
const patience = 900;

/** Whether `follow` can read test_decoding, which every server has. */
export function followsTestDecoding(program: string): boolean {
  try {
    return execFileSync('bash', ['-c', '"$0" follow --help 2>&1', program], { encoding: 'utf8' }).includes('--plugin');
  } catch {
    return false;
  }
}

/**
 * `pgcopydb follow` to the end of the backlog. It goes on only from a work folder of its own making, so it makes one
 * before, with a slot that is dropped, and the copied slot is written into it. A failure, or a result that is not like
 * the source, is told and not thrown: transactions that are lost are what its users report.
 */
export function pgcopydb(field: Field, program: string): Contender {
  const run = () =>
    field.on(
      slot,
      async (database): Promise<Sample> => {
        const folder = await mkdtemp(join(tmpdir(), 'pgsluice-bench-pgcopydb-'));
        try {
          const slotOf = (name: string) => `--dir ${folder}/work --plugin test_decoding --slot-name ${name}`;
          const source = `--source ${field.source.url('start')}`;
          const end = `--target ${field.target.url(database)} --origin ${database}`;
          await prepare(field, { program, folder, source, end, slotOf });
          await using watch = await Watch.on(field.target.url(database));
          const from = Date.now();
          const seen = watch.for(arrived);
          const used = await script(
            `timeout -k 5 ${patience} ${program} follow ${source} ${end} ${slotOf(slot)} --endpos ${field.until} \
               --resume --not-consistent >${folder}/log 2>&1 || { tail -5 ${folder}/log >&2; exit 1; }`,
          ).finally(() => watch.giveUp());
          return { process: used.seconds, visible: since(await seen, from), stream: used.seconds, cpu: used.cpu };
        } catch (error) {
          process.stdout.write(`  pgcopydb failed: ${error instanceof Error ? error.message : String(error)}\n`);
          return {};
        } finally {
          // Origins are of the whole server, which has room for a few.
          await field.target.query(
            `SELECT pg_replication_origin_drop(roname) FROM pg_replication_origin WHERE roname = '${database}'`,
          );
          await rm(folder, { recursive: true, force: true });
        }
      },
      'tell',
    );
  return { name: 'pgcopydb', what: 'pgcopydb follow --plugin test_decoding on a copy of a slot', run };
}

interface Preparing {
  readonly program: string;
  readonly folder: string;
  /** Options that name the source; the target, with the origin there; a slot, with the work folder. */
  readonly source: string;
  readonly end: string;
  readonly slotOf: (name: string) => string;
}

async function prepare(field: Field, { program, folder, source, end, slotOf }: Preparing): Promise<void> {
  const file = join(folder, 'work/cdc/slot');
  await script(
    `${program} snapshot --follow ${source} ${slotOf(workSlot)} >${folder}/log 2>&1 & pid=$!
     for i in $(seq 100); do [ -s ${file} ] && break; sleep 0.1; done
     kill $pid; wait $pid || true; [ -s ${file} ] || { tail -5 ${folder}/log >&2; exit 1; }`,
  );
  await field.source.query(`SELECT pg_drop_replication_slot('${workSlot}')`, 'start');
  const [at] = await field.source.query<{ lsn: string }>(
    `SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = '${slot}'`,
    'start',
  );
  const [, , ...rest] = (await readFile(file, 'utf8')).split('\n');
  await writeFile(file, [slot, at!.lsn, ...rest].join('\n'));
  await script(
    `{ ${program} stream setup ${source} ${end} ${slotOf(slot)} && ${program} stream sentinel set apply ${source} --dir ${folder}/work
     } >${folder}/log 2>&1 || { tail -5 ${folder}/log >&2; exit 1; }`,
  );
}
