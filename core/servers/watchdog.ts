import { type ChildProcess, spawn } from 'node:child_process';

/**
 * A shell that outlives us just long enough to end `pid` and to remove `directories` when our end of its pipe closes:
 * also after SIGKILL nothing is left listening and nothing is left on disk.
 */
export function watch(pid: number, directories: readonly string[]): ChildProcess {
  const script = `cat >/dev/null
    kill -INT ${pid} 2>/dev/null
    i=0; while kill -0 ${pid} 2>/dev/null && [ $i -lt 50 ]; do sleep 0.1; i=$((i+1)); done
    kill -KILL ${pid} 2>/dev/null
    rm -rf -- "$@"`;
  const child = spawn('/bin/sh', ['-c', script, 'watchdog', ...directories], {
    stdio: ['pipe', 'ignore', 'ignore'],
    detached: true,
  });
  child.unref();
  (child.stdin as unknown as { unref?: () => void } | null)?.unref?.();
  return child;
}
