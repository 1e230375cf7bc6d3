import { setTimeout as sleep } from 'node:timers/promises';
import { type ErrorWhere, PgsluiceError } from '../../../core/base/error.ts';
import { type ClientFailure, failed } from '../errors.ts';

/**
 * Walks an error of kafkajs or @platformatic/kafka with all that it wraps: kafkajs puts the protocol error's name in
 * `type`, the other in `apiId`; both keep the system's code in `code` somewhere down the chain.
 */
export function failureOf(error: unknown): ClientFailure {
  const protocol: string[] = [];
  const system: string[] = [];
  let authentication = false;
  let message = '';
  const seen = new Set<unknown>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null || seen.has(value)) return;
    seen.add(value);
    const e = value as Record<string, unknown>;
    if (typeof e['type'] === 'string' && /^[A-Z_]+$/.test(e['type'])) protocol.push(e['type']);
    if (typeof e['apiId'] === 'string') protocol.push(e['apiId']);
    if (typeof e['code'] === 'string' && !e['code'].startsWith('PLT_KFK')) system.push(e['code']);
    if (e['name'] === 'KafkaJSSASLAuthenticationError' || e['code'] === 'PLT_KFK_AUTHENTICATION') authentication = true;
    if (e['name'] === 'KafkaJSUnsupportedSaslMechanism') authentication = true;
    if (typeof e['message'] === 'string') message = e['message'];
    visit(e['cause']);
    visit(e['originalError']);
    if (Array.isArray(e['errors'])) e['errors'].forEach(visit);
  };
  visit(error);
  return { protocol, system, authentication, message: message === '' ? String(error) : message };
}

/** An error of a client as ours; passes a PgsluiceError through. */
export function asKafkaError(error: unknown, doing: string, where: ErrorWhere = {}): PgsluiceError {
  if (error instanceof PgsluiceError) return error;
  return failed(failureOf(error), doing, { cause: error, where });
}

/** Whether a transaction's coordinator only asks for patience: it still ends the transaction before. */
function isBusyCoordinator(error: unknown): boolean {
  const busy = ['CONCURRENT_TRANSACTIONS', 'COORDINATOR_LOAD_IN_PROGRESS', 'GROUP_LOAD_IN_PROGRESS'];
  const absent = ['COORDINATOR_NOT_AVAILABLE', 'GROUP_COORDINATOR_NOT_AVAILABLE'];
  return failureOf(error).protocol.some((name) => busy.includes(name) || absent.includes(name));
}

/** Milliseconds for which a coordinator may be busy with the transaction before. */
const patience = 60_000;

/** Repeats what a busy coordinator refuses, with pauses of 5 to 200 ms; `also`: names of protocol errors that pass, too. */
export async function patiently<T>(ask: () => Promise<T>, also: readonly string[] = []): Promise<T> {
  const deadline = Date.now() + patience;
  for (let pause = 5; ; pause = Math.min(pause * 2, 200)) {
    try {
      return await ask();
    } catch (error) {
      const passes = isBusyCoordinator(error) || failureOf(error).protocol.some((name) => also.includes(name));
      if (!passes || Date.now() > deadline) throw error;
    }
    await sleep(pause);
  }
}

/** Fails what gives no answer within `ms`: @platformatic/kafka can stay silent for ever when a broker goes away. */
export async function within<T>(work: Promise<T>, ms: number, doing: string): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(Object.assign(new Error(`${doing}: no answer in ${ms} ms`), { code: 'ETIMEDOUT' })),
      ms,
    );
  });
  // Its own failure may come after ours, when nobody listens any more.
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
