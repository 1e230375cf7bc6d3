// The page of a run: asks the same process for its state every two seconds and draws it. It can only look.
'use strict';

const every = 2000;
const shownTables = 40;
/** Points drawn; the server keeps a longer past in fewer points. */
const most = 2000;
const $ = (id) => document.getElementById(id);

// --- words -------------------------------------------------------------------------------------------------------

function bytes(value) {
  if (value === null || value === undefined) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let unit = 0;
  let rest = value;
  while (Math.abs(rest) >= 1024 && unit < units.length - 1) {
    rest /= 1024;
    unit++;
  }
  return `${unit === 0 || rest >= 100 ? Math.round(rest) : rest.toFixed(1)} ${units[unit]}`;
}

function duration(seconds) {
  if (seconds === null || seconds === undefined) return '–';
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`;
  return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`;
}

const count = (value) => (value === null || value === undefined ? '–' : Number(value).toLocaleString('en'));

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
  $('follow').hidden = copying || status.sinks.length === 0;
  if (copying) showCopy(status);
  else showSinks(status);
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

function showCopy({ copy, rates, tables, tableCounts }) {
  const part = copy.estimatedBytes === 0 ? 1 : copy.doneBytes / copy.estimatedBytes;
  $('copy-bar').style.width = `${(part * 100).toFixed(1)}%`;
  const left = copy.secondsLeft === null ? '' : `, about ${duration(copy.secondsLeft)} left`;
  $('copy-line').textContent =
    `${bytes(copy.doneBytes)} of about ${bytes(copy.estimatedBytes)}, ${bytes(rates.copyBytes)}/s${left}; ` +
    `${copy.finished} of ${copy.tables} tables finished`;
  const active = tables.filter(({ phase }) => phase === 'copying' || phase === 'indexing');
  rows('tables', active.slice(0, shownTables).map(tableRow));
  const hidden = tableCounts.copying + tableCounts.indexing - Math.min(active.length, shownTables);
  $('tables-more').textContent = hidden > 0 ? `and ${hidden} more under way` : '';
}

function tableRow({ table, phase, bytes: sent, estimatedBytes, rows: lines }) {
  if (phase === 'indexing') return [table, 'indexes and constraints', bytes(sent), `${count(lines)} rows`];
  const bar = document.createElement('div');
  bar.className = 'bar';
  const inner = document.createElement('i');
  inner.style.width = `${Math.min(100, estimatedBytes === 0 ? 100 : (sent / estimatedBytes) * 100).toFixed(1)}%`;
  bar.append(inner);
  return [table, bar, bytes(sent), `of about ${bytes(estimatedBytes)}`];
}

function showSinks({ sinks }) {
  rows(
    'sinks',
    sinks.map((sink) => [
      sink.name,
      duration(sink.lagSeconds),
      bytes(sink.lagBytes),
      count(sink.lagTransactions),
      count(sink.transactions),
      count(sink.changes),
      bytes(sink.queuedBytes),
      sink.durable ?? '–',
    ]),
  );
}

function showSource({ position, retainedBytes, safeBytes, limitSeconds, walStatus }) {
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
  { id: 'plot-wal', series: [['retainedBytes', 'WAL kept', bytes, 'b']] },
  { id: 'plot-copy', series: [['copyBytes', 'copied', bytes, 'b']] },
];
const binarySteps = Array.from({ length: 50 }, (_, power) => 2 ** power);
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
      axes: [{ stroke: color('--quiet'), grid: { show: false } }, ...scales.map(axis)],
      series: [
        {},
        ...series.map(([, label, words, scale], i) => ({
          label,
          scale,
          stroke: color(i === 0 ? '--one' : '--two'),
          width: 1.5,
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

function fitPlots() {
  for (const { id, chart } of plots) chart?.setSize({ width: $(id).clientWidth, height: 190 });
}

// --- asking ------------------------------------------------------------------------------------------------------

let startedAt = null;

async function ask(path) {
  const response = await fetch(path, { cache: 'no-store' });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}

async function turn() {
  try {
    const status = await ask('/status.json');
    // Another process has taken the place of the one that was shown: its past is its own.
    if (status.startedAt !== startedAt) past = { columns: [], rows: [] };
    startedAt = status.startedAt;
    const last = past.rows.at(-1)?.[past.columns.indexOf('at')] ?? 0;
    const news = await ask(`/history.json?since=${last}`);
    past = { columns: news.columns, rows: [...past.rows, ...news.rows].slice(-most) };
    showState(status);
    drawPlots();
  } catch {
    notice('The run does not answer: it has ended, or cannot be reached. What is shown is the last that was known.');
  }
}

/** One question after the other, however long an answer takes. */
async function watch() {
  await turn();
  setTimeout(watch, every);
}

addEventListener('resize', fitPlots);
void watch();
