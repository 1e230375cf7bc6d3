import { writeSync } from 'node:fs';

/**
 * A named place where tests end the process or make it fail: `PGSLUICE_FAILPOINT=name` throws there, `name:kill` ends the
 * process with SIGKILL, and `name:kill,other:kill` at the first that is met, whose name goes to stderr. An environment
 * variable and not an option, so that no pipeline file can hold one.
 */
export function failpoint(name: string): void {
  const wanted = process.env['PGSLUICE_FAILPOINT'];
  if (wanted === undefined) return;
  const all = wanted.split(',');
  if (all.includes(name)) throw new Error(`failpoint ${name}`);
  if (!all.includes(`${name}:kill`)) return;
  if (all.length > 1) writeSync(2, `${name}\n`);
  process.kill(process.pid, 'SIGKILL');
}
