/**
 * Loaded before a program (`node --import`): writes what the process used to the file named in BENCH_USAGE when it ends.
 * Node does not tell the resource usage of a child.
 */
import { writeFileSync } from 'node:fs';

const file = process.env['BENCH_USAGE'];
if (file !== undefined) {
  // Only this process: its children would write over it.
  delete process.env['BENCH_USAGE'];
  process.once('exit', () => {
    const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
    writeFileSync(file, JSON.stringify({ cpu: (userCPUTime + systemCPUTime) / 1e6, rss: maxRSS * 1024 }));
  });
}
