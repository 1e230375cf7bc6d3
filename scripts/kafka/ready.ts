import { createConnection } from 'node:net';

/** Milliseconds for a node on this machine to answer. */
const patience = 5000;
/** Metadata, version 1, of no topic (protocol guide: "Metadata API"): correlation id 1, no client id. */
const question = Buffer.from('0000000e0003000100000001ffff00000000', 'hex');
/** Of the answer: its length, the correlation id and how many brokers are listed. */
const answerHead = 12;

/**
 * Whether a node takes part: it listens on all of these ports, and the first, of a listener without TLS and login, says that
 * some broker is alive. A node listens before its controller counts it as such, and until then it refuses to make topics, and
 * whoever asks for the controller is told of none.
 */
export async function takesPart(ports: readonly number[]): Promise<boolean> {
  const [first, ...others] = ports;
  if (first === undefined || (await aliveBrokers(first)) === 0) return false;
  return (await Promise.all(others.map(listens))).every(Boolean);
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createConnection({ host: '127.0.0.1', port });
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
  });
}

/** Brokers that a node counts as alive; 0 where it gives no answer. */
function aliveBrokers(port: number): Promise<number> {
  return new Promise((resolve) => {
    let answer = Buffer.alloc(0);
    const socket = createConnection({ host: '127.0.0.1', port, timeout: patience });
    const end = (alive: number) => {
      socket.destroy();
      resolve(alive);
    };
    socket.once('connect', () => socket.write(question));
    socket.on('data', (chunk) => {
      answer = Buffer.concat([answer, chunk]);
      if (answer.length >= answerHead) end(answer.readInt32BE(answerHead - 4));
    });
    socket.once('timeout', () => end(0));
    socket.once('error', () => end(0));
    socket.once('close', () => end(0));
  });
}
