import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import pg from 'pg';
import { serverAccount } from '../../core/servers/account.ts';
import { freePort } from '../../core/servers/free-port.ts';

const places = ['/usr/sbin/pgbouncer', '/usr/bin/pgbouncer', '/usr/local/bin/pgbouncer'];
const program = places.find((path) => existsSync(path));

/** Why there is none here; false: there is one (Debian: apt-get install pgbouncer). */
export const withoutPgbouncer: string | false = program === undefined ? 'pgbouncer is not installed' : false;

/** A PgBouncer in front of a server of the tests, ended at the end of the file. */
export async function pgbouncer(serverUrl: string, mode: 'session' | 'transaction' | 'statement'): Promise<string> {
  const to = new URL(serverUrl);
  const folder = await mkdtemp(join(tmpdir(), 'pgsluice-pgbouncer-'));
  await chmod(folder, 0o755);
  const port = await freePort();
  await writeFile(join(folder, 'users'), `"postgres" "${to.password}"\n"mover" "${to.password}"\n`, { mode: 0o644 });
  await writeFile(
    join(folder, 'ini'),
    `[databases]
* = host=${to.hostname} port=${to.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = scram-sha-256
auth_file = ${folder}/users
pool_mode = ${mode}
default_pool_size = 60
max_client_conn = 200
server_tls_sslmode = disable
`,
    { mode: 0o644 },
  );
  const account = await serverAccount();
  const child = spawn(program!, [join(folder, 'ini')], { stdio: ['ignore', 'ignore', 'pipe'], ...account });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  after(() => end(child, folder));
  const url = `postgres://postgres:${to.password}@127.0.0.1:${port}`;
  for (let tries = 0; ; tries++) {
    const client = new pg.Client({ connectionString: `${url}/postgres` });
    client.on('error', () => {});
    const fails = await client.connect().then(() => null, String);
    await client.end().catch(() => {});
    if (fails === null) return url;
    if (tries > 100 || child.exitCode !== null) throw new Error(`pgbouncer: ${fails} ${said}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function end(child: ChildProcess, folder: string): Promise<void> {
  if (child.exitCode === null) {
    const gone = once(child, 'exit');
    child.kill('SIGTERM');
    setTimeout(() => child.kill('SIGKILL'), 2000).unref();
    await gone;
  }
  await rm(folder, { recursive: true, force: true });
}
