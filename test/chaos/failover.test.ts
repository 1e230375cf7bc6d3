import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type CliResult, cli, CliProcess } from '../support/cli.ts';
import { type Failover, failoverPair, rowsOf, slotInStep, Writer } from '../support/failover.ts';
import { long } from '../support/long.ts';
import { promote } from '../support/standby.ts';

/**
 * The source fails over at random moments under writes: in the start and the copy, in the stream, in a cutover. It ends equal, or the
 * gap is told. Long form: PGSLUICE_FAILOVER_MOMENTS=20 npm test -- chaos/failover
 */
const moments = Number(process.env['PGSLUICE_FAILOVER_MOMENTS'] ?? (long ? '6' : '1'));
const schema = `CREATE TABLE t (id serial PRIMARY KEY, v text);
  INSERT INTO t (v) SELECT repeat('r', 200) || g FROM generate_series(1, 40000) g;
  ANALYZE t`;
/** Every second time `t` is copied in ranges of its key, each exact at a position that the standby must have, too. */
const ranges = 'chunk_size: 256kB, ledger_above: 1MB';
const told = /^PGS21(50|51|54|96|97) /m;
/** A connection was lost where it is not tried again: another run goes on. */
const runAgain = /^PGS20\d\d .*run again/m;

for (let i = 0; i < moments; i++) {
  const major = i % 2 === 0 ? 17 : 18;
  const phase = (['stream', 'copy', 'cutover'] as const)[i % 3]!;
  // A copy of this table takes a second or two, a cutover of it three to six.
  const after = Math.round(Math.random() * { stream: 3000, copy: 3000, cutover: 6000 }[phase]);
  test(`${major}: the source fails over ${after} ms into the ${phase}`, { timeout: 400_000 }, async (context) => {
    const snapshot = i % 4 < 2 ? '' : ranges;
    const pair = await failoverPair({ major, synced: true, waits: true, schema, snapshot });
    const writer = new Writer([pair.primary, pair.standby], 2);
    if (phase === 'cutover') await cutoverFailsOver(pair, { writer, after, context });
    else await runFailsOver(pair, { writer, after, context, phase });
  });
}

interface Moment {
  readonly writer: Writer;
  readonly after: number;
  readonly context: TestContext;
}

async function runFailsOver(pair: Failover, { writer, after, context, phase }: Moment & { phase: 'copy' | 'stream' }) {
  const { standby, file } = pair;
  const run = new CliProcess(['run', file, '--log', 'json']);
  if (phase === 'stream') {
    await run.until('caught-up');
    await slotInStep(pair);
  } else {
    await standby.query('ALTER SYSTEM SET sync_replication_slots = on');
    await standby.query('SELECT pg_reload_conf()');
  }
  await sleep(after);
  await failsOver(pair);
  await writesAgain(writer);
  // Before it had connected there is nothing that it could notice.
  const noticed = run.until('source-promoted').catch(() => {});
  await Promise.race([run.ended, noticed, sleep(20_000)]);
  await writer.stop();
  run.process.kill('SIGINT');
  const ended = await run.ended;
  const goesOn = ended.code === 0 || ended.code === 130 || runAgain.test(ended.stderr);
  if (phase === 'stream') assert.ok(goesOn, ended.stderr);
  if (!goesOn) assert.match(ended.stderr, told);
  else if (await settles(pair, phase === 'stream')) return context.diagnostic('went on, equal');
  await repaired(pair);
  context.diagnostic('told, repaired, equal');
}

/** The same words are said until there is a GO, as their message asks for. */
async function cutoverFailsOver(pair: Failover, { writer, after, context }: Moment) {
  const { standby, target, file } = pair;
  const run = new CliProcess(['run', file, '--log', 'json']);
  await run.until('caught-up');
  await slotInStep(pair);
  const words = ['cutover', file, '--quiet', '100ms', '--fence', 'triggers'];
  const first = new CliProcess(words);
  await sleep(after);
  const before = first.process.exitCode === null ? 'before its end' : 'behind its end';
  await failsOver(pair);
  let cut: CliResult = await first.ended;
  const was = { code: cut.code, says: /^PGS\d+/m.exec(cut.stderr)?.[0] ?? '' };
  for (let tries = 0; cut.code !== 0 && tries < 6 && !told.test(cut.stderr); tries++) cut = await cli(words);
  await writer.stop();
  run.process.kill('SIGKILL');
  await run.ended;
  if (cut.code === 0) {
    assert.match(cut.stdout, /GO/);
    assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
    // Closed there, too.
    await assert.rejects(standby.query('INSERT INTO t (v) VALUES ($$no$$)', 'shop'));
  } else {
    assert.match(cut.stderr, told, `${JSON.stringify(was)} ${cut.stdout}${cut.stderr}`);
    await repaired(pair);
  }
  context.diagnostic(
    `${before}: ${was.code} ${was.says}, then ${cut.code === 0 ? 'GO, equal' : 'told, repaired, equal'}`,
  );
}

async function failsOver({ primary, standby }: Failover): Promise<void> {
  await primary.stop('immediate');
  await promote(standby);
}

async function writesAgain(writer: Writer): Promise<void> {
  const before = writer.committed;
  while (writer.committed < before + 100) await sleep(50);
}

async function settles({ file, target, standby }: Failover, must: boolean): Promise<boolean> {
  const settled = await cli(['run', file, '--stop-at', 'now', '--log', 'json']);
  if (settled.code !== 0) {
    assert.ok(!must, settled.stderr);
    assert.match(settled.stderr, told);
    return false;
  }
  assert.equal(await rowsOf(target), await rowsOf(standby, 'shop'));
  return true;
}

async function repaired(pair: Failover): Promise<void> {
  const { file } = pair;
  const compared = await cli(['resync', file, '--verify-first']);
  // Before anything was noted there is nothing to compare: the remedy says to begin.
  const begins = /^PGS7004 the pipeline has not started – Nothing is copied yet: pgsluice run FILE/m.test(
    compared.stderr,
  );
  const done = begins ? await cli(['run', file, '--stop-at', 'now', '--log', 'json']) : compared;
  assert.equal(done.code, 0, done.stderr);
  await settles(pair, true);
}
