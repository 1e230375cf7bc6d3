// The page of a run: asks the same process for its state every two seconds and draws it. It can only look.
import { bytes, count, duration } from './words.js';

const every = 2000;
const shownTables = 40;
/** Points drawn; the server keeps a longer past in fewer points. */
const most = 2500;
const $ = (id) => document.getElementById(id);

// --- state -------------------------------------------------------------------------------------------------------

function showState(status) {
  document.title = `${status.pipeline}: ${status.phase} – pgsluice`;
  $('pipeline').textContent = status.pipeline;
  $('phase').textContent = status.phase;
  $('phase').className = `badge ${status.phase}`;
  $('since').textContent =
    `for ${duration((status.at - status.phaseSince) / 1000)}, running for ${duration((status.at - status.startedAt) / 1000)}`;
  const copying = ['schema', 'copy', 'index'].includes(status.phase);
  $('copy').hidden = !copying;
  if (copying) showCopy(status);
  const workers = status.workers.map((of) => `${of.pid} on ${of.host}: ${count(of.ranges)} ranges, ${of.doing}`);
  $('workers').textContent = workers.length > 0 ? `workers: ${workers.join('; ')}` : '';
  showSinks(status, copying);
  showVerification(status);
  showSource(status.source);
  const troubles = [];
  if (status.retrying !== null) troubles.push(`The stream is opened again after ${status.retrying}.`);
  if (status.source.error !== null) troubles.push(`The last look at the source failed with ${status.source.error}.`);
  for (const sink of status.sinks) {
    if (sink.retrying) troubles.push(`Sink ${sink.name} is tried again after ${sink.retrying}.`);
    if (sink.deadLetters > 0)
      troubles.push(`${sink.deadLetters} changes of sink ${sink.name} are in the dead letters.`);
  }
  notice(troubles.join(' '));
}

function notice(text) {
  $('notice').textContent = text;
  $('notice').hidden = text === '';
}

function showCopy({ copy, rates, tables, tableCounts, at }) {
  const part = copy.estimatedBytes === 0 ? 1 : copy.doneBytes / copy.estimatedBytes;
  $('copy-bar').style.width = `${(part * 100).toFixed(1)}%`;
  const left = copy.secondsLeft === null ? '' : `, about ${duration(copy.secondsLeft)} left`;
  $('copy-line').textContent =
    `${bytes(copy.doneBytes)} of about ${bytes(copy.estimatedBytes)}, ${bytes(rates.copyBytes)}/s${left}; ` +
    `${copy.finished} of ${copy.tables} tables finished`;
  const active = tables.filter(({ phase }) => phase === 'copying' || phase === 'indexing');
  const waiting = tables.filter(({ phase }) => phase === 'pending' || phase === 'copied');
  const shown = [...active, ...waiting].slice(0, shownTables);
  rows('tables', shown.map(tableRow(at)));
  const hidden = tableCounts.copying + tableCounts.indexing + tableCounts.pending + tableCounts.copied - shown.length;
  $('tables-more').textContent = hidden > 0 ? `and ${hidden} more under way or waiting` : '';
}

const tableRow = (now) => (of) => {
  const { table, phase, bytes: sent, estimatedBytes, rows: lines, rate, secondsLeft, copiedAt } = of;
  const size = `${bytes(sent)} of about ${bytes(estimatedBytes)}`;
  if (phase === 'pending') return [table, `waits, about ${bytes(estimatedBytes)}`, '', '', ''];
  if (phase === 'copied') return [table, 'copied, waits for its indexes', count(lines), '', ''];
  if (phase === 'indexing') {
    const since = copiedAt === null ? '' : ` for ${duration((now - copiedAt) / 1000)}`;
    return [table, `indexes and constraints${since}`, count(lines), '', ''];
  }
  const cell = document.createElement('div');
  const part = estimatedBytes === 0 ? 1 : Math.min(1, sent / estimatedBytes);
  cell.append(bar(part), size);
  return [table, cell, count(lines), `${bytes(rate)}/s`, secondsLeft === null ? '' : duration(secondsLeft)];
};

function bar(part) {
  const outer = document.createElement('div');
  outer.className = 'bar';
  const inner = document.createElement('i');
  inner.style.width = `${(part * 100).toFixed(1)}%`;
  outer.append(inner);
  return outer;
}

const before = new Map();

/** Side by side, each with what it has taken since the last look. */
function showSinks({ sinks, at }, copying) {
  $('sinks').hidden = copying || sinks.length === 0;
  $('sinks').replaceChildren(
    ...sinks.map((sink) => {
      const last = before.get(sink.name);
      before.set(sink.name, { at, changes: sink.changes });
      const rate = last === undefined || at <= last.at ? null : ((sink.changes - last.changes) * 1000) / (at - last.at);
      const card = element('section', '');
      const lag = element('div', duration(sink.lagSeconds), `lag ${lagClass(sink)}`);
      const facts = [
        ['behind', `${bytes(sink.lagBytes)}, ${count(sink.lagTransactions)} transactions`],
        ['now', rate === null ? '–' : `${count(Math.round(rate))} changes/s`],
        ['changes', count(sink.changes)],
        ['transactions', count(sink.transactions)],
        ['waiting', bytes(sink.queuedBytes)],
        ['durable up to', sink.durable ?? '–'],
        ...(sink.deadLetters > 0 ? [['dead letters', count(sink.deadLetters)]] : []),
      ];
      const list = element('dl', '');
      for (const [name, value] of facts) {
        const fact = element('div', '');
        fact.append(element('dt', name), element('dd', value, name.replaceAll(' ', '-')));
        list.append(fact);
      }
      card.append(element('h2', `Sink ${sink.name}`), lag, list);
      if (sink.lanes.length > 0) card.append(laneTable(sink.lanes));
      return card;
    }),
  );
}

/** Each session of a sink that has several, with its own position. */
function laneTable(lanes) {
  const table = element('table', '', 'lanes');
  const line = (tag, cells) => {
    const row = document.createElement('tr');
    row.append(...cells.map((text) => element(tag, text)));
    return row;
  };
  table.append(line('th', ['lane', 'waiting', 'durable up to']));
  table.append(
    ...lanes.map((lane, i) => line('td', [String(i), bytes(lane.queuedBytes), lane.durable ?? 'nothing yet'])),
  );
  return table;
}

function lagClass({ lagSeconds, retrying }) {
  if (retrying) return 'bad';
  return lagSeconds === null ? '' : lagSeconds < 10 ? 'good' : 'warn';
}

function element(tag, text, className = '') {
  const made = document.createElement(tag);
  made.textContent = text;
  if (className !== '') made.className = className;
  return made;
}

const verdicts = {
  equal: 'equal',
  differs: 'differs',
  unknown: 'not all compared yet',
  'not-compared': 'not compared',
};
const verdictClass = { equal: 'good', differs: 'bad', unknown: '', 'not-compared': 'warn' };

function showVerification({ verification, at }) {
  $('verification').hidden = verification === null;
  if (verification === null) return;
  const { counts, every, waits, oldestSeconds, tables } = verification;
  const parts = Object.entries(counts).filter(([, number]) => number > 0);
  const oldest = oldestSeconds === null ? '' : `; the oldest part was compared ${duration(oldestSeconds)} ago`;
  $('verification-line').textContent =
    `${parts.map(([verdict, number]) => `${number} ${verdicts[verdict]}`).join(', ')}${oldest}; each row once in ${duration(every / 1000)}` +
    (waits === null ? '' : `; waits: ${waits}`);
  rows(
    'verified',
    tables.slice(0, shownTables).map((of) => {
      const words = element('span', verdicts[of.verdict], verdictClass[of.verdict]);
      const more =
        of.differing > 0 ? `: ${count(of.differing)} rows, ${of.named.map(({ key }) => key).join(', ')}` : '';
      const why = of.why === null ? '' : `: ${of.why}`;
      const cell = element('span', '');
      cell.append(words, `${more}${why}`, of.repaired > 0 ? `; ${count(of.repaired)} rows copied again` : '');
      const age = of.since === null ? '–' : `${duration((at - of.since) / 1000)} ago`;
      const changed = of.changed > 0 ? `, ${of.changed} of ${of.parts} ranges changed since` : '';
      return [of.table, cell, of.verdict === 'not-compared' ? '' : count(of.rows), `${age}${changed}`];
    }),
  );
  const hidden = Object.values(counts).reduce((sum, number) => sum + number, 0) - Math.min(tables.length, shownTables);
  $('verified-more').textContent = hidden > 0 ? `and ${hidden} more` : '';
}

function showSource({ position, retainedBytes, safeBytes, limitSeconds, walStatus }) {
  const limited = retainedBytes !== null && safeBytes !== null;
  $('wal-bar').hidden = !limited;
  if (limited) {
    const part = retainedBytes / Math.max(1, retainedBytes + safeBytes);
    $('wal-bar').className = part > 0.8 ? 'bar full' : 'bar';
    $('wal-bar').firstElementChild.style.width = `${(part * 100).toFixed(1)}%`;
  }
  if (retainedBytes === null) {
    $('source-line').textContent = 'no replication slot yet';
    return;
  }
  const limit = safeBytes === null ? 'no limit is set' : `${bytes(safeBytes)} until the server cuts the slot off`;
  const when = limitSeconds === null ? '' : `, in about ${duration(limitSeconds)} at this pace`;
  $('source-line').textContent =
    `at ${position ?? '–'}; the slot keeps ${bytes(retainedBytes)} of WAL (${walStatus ?? 'unknown'}; ${limit}${when})`;
}

/** Fills a table's body; cells are text or elements, never markup. */
function rows(id, lines) {
  $(id)
    .querySelector('tbody')
    .replaceChildren(
      ...lines.map((cells) => {
        const line = document.createElement('tr');
        for (const cell of cells) {
          const td = document.createElement('td');
          td.append(cell);
          line.append(td);
        }
        return line;
      }),
    );
}

// --- plots -------------------------------------------------------------------------------------------------------

const plots = [
  {
    id: 'plot-lag',
    series: [
      ['lagSeconds', 'seconds', duration, 's'],
      ['lagBytes', 'bytes', bytes, 'b'],
    ],
  },
  {
    id: 'plot-rates',
    series: [
      ['changes', 'changes', count, 'n'],
      ['transactions', 'transactions', count, 'n'],
    ],
  },
  {
    id: 'plot-wal',
    series: [
      ['retainedBytes', 'WAL kept', bytes, 'b'],
      ['limitBytes', 'limit', bytes, 'b'],
    ],
  },
  { id: 'plot-copy', series: [['copyBytes', 'copied', bytes, 'b']] },
];
const binarySteps = Array.from({ length: 50 }, (_, power) => 2 ** power);
/** Seconds: there is a point every two. */
const timeSteps = [2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14_400, 21_600, 43_200, 86_400];
let past = { columns: [], rows: [] };

function makePlot({ id, series }) {
  const style = getComputedStyle(document.documentElement);
  const color = (name) => style.getPropertyValue(name).trim();
  const scales = [...new Set(series.map(([, , , scale]) => scale))];
  const axis = (scale, i) => ({
    scale,
    side: i === 0 ? 3 : 1,
    size: 70,
    // Steps of bytes that are round in kB and MB.
    ...(scale === 'b' ? { incrs: binarySteps } : {}),
    stroke: color('--quiet'),
    grid: { show: i === 0, stroke: color('--line'), width: 1 },
    values: (_, ticks) => ticks.map((tick) => series.find((one) => one[3] === scale)[2](tick)),
  });
  const place = $(id);
  return new uPlot(
    {
      width: place.clientWidth,
      height: 190,
      legend: { live: true },
      scales: Object.fromEntries(
        scales.map((scale) => [scale, { range: (_, __, top) => [0, Math.max(top ?? 0, 1) * 1.1] }]),
      ),
      axes: [{ stroke: color('--quiet'), grid: { show: false }, incrs: timeSteps }, ...scales.map(axis)],
      series: [
        {},
        ...series.map(([, label, words, scale], i) => ({
          label,
          scale,
          stroke: color(i === 0 ? '--one' : '--two'),
          width: 1.5,
          ...(label === 'limit' ? { dash: [6, 4], stroke: color('--bad') } : {}),
          value: (_, value) => words(value),
        })),
      ],
    },
    [[], ...series.map(() => [])],
    place,
  );
}

function drawPlots() {
  const at = past.columns.indexOf('at');
  const times = past.rows.map((row) => row[at] / 1000);
  for (const plot of plots) {
    plot.chart ??= makePlot(plot);
    const data = plot.series.map(([column]) => past.rows.map((row) => row[past.columns.indexOf(column)]));
    plot.chart.setData([times, ...data]);
  }
}

/** Colours are those of the scheme that the reader has now. */
function remakePlots() {
  for (const plot of plots) {
    plot.chart?.destroy();
    plot.chart = undefined;
  }
  drawPlots();
}

function fitPlots() {
  for (const { id, chart } of plots) chart?.setSize({ width: $(id).clientWidth, height: 190 });
}

// --- events ------------------------------------------------------------------------------------------------------

const shownEvents = 100;
let events = new Map();

/** What kind of event it is, for its mark in the timeline. */
function kindOf({ event, level }) {
  if (level === 'error') return 'error';
  if (/retry|again|lost|wait/.test(event)) return 'retry';
  if (level === 'warn') return 'warn';
  if (/ddl|table|shape|schema|placed/.test(event)) return 'ddl';
  return /started|caught-up|finished|opened/.test(event) ? 'start' : '';
}

function showEvents(news) {
  for (const each of news) {
    for (const [id, known] of events) if (known.at === each.at && known.event === each.event) events.delete(id);
    events.set(each.id, each);
  }
  if (news.length === 0) return;
  const newest = [...events.values()].slice(-shownEvents).reverse();
  events = new Map([...newest].reverse().map((each) => [each.id, each]));
  $('events').replaceChildren(
    ...newest.map((each) => {
      const line = element('li', '', kindOf(each));
      const time = element('time', new Date(each.last).toLocaleTimeString());
      time.dateTime = new Date(each.last).toISOString();
      const words = element('span', '');
      words.append(element('b', each.event), ` ${each.message}${each.count > 1 ? ` (${each.count} times)` : ''}`);
      line.append(time, words);
      return line;
    }),
  );
}

// --- asking ------------------------------------------------------------------------------------------------------

let startedAt = null;

async function ask(path) {
  const response = await fetch(path, { cache: 'no-store' });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

async function turn() {
  let seen;
  try {
    seen = await look();
  } catch {
    notice('The run does not answer: it has ended, or cannot be reached. What is shown is the last that was known.');
    return;
  }
  try {
    showState(seen.status);
    showEvents(seen.events);
    drawPlots();
  } catch (error) {
    notice(`The run answers, and this browser cannot draw all of it: ${error.message}`);
  }
}

async function look() {
  const status = await ask('/status.json');
  // Another process has taken the place of the one that was shown: its past is its own.
  if (status.startedAt !== startedAt) {
    past = { columns: [], rows: [] };
    events = new Map();
    before.clear();
  }
  startedAt = status.startedAt;
  const last = past.rows.at(-1)?.[past.columns.indexOf('at')] ?? 0;
  const news = await ask(`/history.json?since=${last}`);
  past = { columns: news.columns, rows: [...past.rows, ...news.rows].slice(-most) };
  const told = await ask(`/events.json?since=${Math.max(0, ...events.keys())}`);
  return { status, events: told.events };
}

/** One question after the other, however long an answer takes. */
async function watch() {
  await turn();
  setTimeout(watch, every);
}

addEventListener('resize', fitPlots);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', remakePlots);
void watch();
