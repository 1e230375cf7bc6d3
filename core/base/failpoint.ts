import { writeSync } from 'node:fs';

/**
 * A named place where tests end the process or make it fail: `PGSLUICE_FAILPOINT=name` throws there, `name:kill` ends
 * the process with SIGKILL, and `name:kill,other:kill` kills at the first one reached, whose name goes to stderr. It is
 * an environment variable and not an option, so that no pipeline file can set it.
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
