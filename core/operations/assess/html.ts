import { figures, tableCells, tableHeadings } from './print.ts';
import type { Assessment } from './report.ts';
import { formatBytes } from '../../base/format.ts';

/** The report as one file that loads nothing. Everything that comes from the source is escaped. */
export function htmlReport(report: Assessment): string {
  const rows = (lines: readonly (readonly string[])[]) =>
    lines.map((cells) => `<tr>${cells.map((cell) => `<td>${escape(cell)}</td>`).join('')}</tr>`).join('\n');
  const reasons = report.reasons.map(
    ({ kind, what, remedy }) =>
      `<li class="${kind}">${escape(what)}${remedy === null ? '' : `<br><code>${escape(remedy)}</code>`}</li>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>${escape(report.pipeline)}: assessment</title><style>${style}</style></head><body>
<h1>${escape(report.pipeline)}: <span id="verdict">${report.verdict}</span></h1>
<ul id="reasons">${reasons.join('\n')}</ul>
<table id="figures">${rows(figures(report))}</table>
${plot('WAL a second', report, (point) => point.walBytes, formatBytes)}
${plot(
  'Row changes a second',
  report,
  (point) => point.changes,
  (value) => value.toFixed(1),
)}
<table id="tables"><thead><tr>${tableHeadings.map((name) => `<th>${name}</th>`).join('')}</tr></thead>
<tbody>${rows(report.tables.map((table) => tableCells(table, report.watched)))}</tbody></table>
</body></html>
`;
}

const style = `:root { color-scheme: light dark; font: 15px/1.4 system-ui, sans-serif }
body { max-width: 70rem; margin: 1rem auto; padding: 0 1rem } table { border-collapse: collapse; display: block; overflow-x: auto }
td, th { padding: .2rem .6rem; border-bottom: 1px solid #8884; text-align: left } .blocks { font-weight: 600 }
svg { width: 100%; height: 160px } polygon { fill: #2a7de1 }`;

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`);
}

type Point = Assessment['points'][number];

/**
 * An area over the time of the watch. Each rate is the mean since the sample before, so it is drawn as a step; its highest value
 * is written below.
 */
function plot(
  title: string,
  { points }: Assessment,
  of: (point: Point) => number,
  say: (value: number) => string,
): string {
  const [width, height, top] = [1000, 160, 20];
  const most = Math.max(...points.map(of), 0);
  const last = points.at(-1)?.at ?? 1;
  const across = (at: number) => ((at / last) * width).toFixed(1);
  const steps = points.flatMap((point, index) => {
    const y = (most === 0 ? height : height - (of(point) / most) * (height - top)).toFixed(1);
    return [`${across(points[index - 1]?.at ?? 0)},${y}`, `${across(point.at)},${y}`];
  });
  const outline = [`0.0,${height}`, ...steps, `${across(last)},${height}`];
  return `<h2>${title}</h2><svg viewBox="0 0 ${width} ${height}" preserveAspectRatio="none" role="img" aria-label="${title}">
<polygon points="${outline.join(' ')}"/></svg><p>at most ${escape(say(most))}</p>`;
}
