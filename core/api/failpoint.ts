/**
 * A named place where tests end the process or make it fail: `PGSLUICE_FAILPOINT=name` throws there, `name:kill` ends the
 * process with SIGKILL. An environment variable and not an option, so that no pipeline file can hold one.
 */
export function failpoint(name: string): void {
  const wanted = process.env['PGSLUICE_FAILPOINT'];
  if (wanted === undefined || !wanted.startsWith(name)) return;
  if (wanted === name) throw new Error(`failpoint ${name}`);
  if (wanted === `${name}:kill`) process.kill(process.pid, 'SIGKILL');
}
