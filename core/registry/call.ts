import { type ErrorWhere, PgsluiceError } from '../base/error.ts';
import { registryError } from './errors.ts';

/** The called object, as errors name it: `sink warehouse` and the like. */
export interface Callee {
  readonly plugin: string;
}

interface PendingCall {
  readonly plugin: string;
  readonly operation: string;
}
const pending = new Set<PendingCall>();

/**
 * Calls into a plugin. Its own errors become PGS9006 with the plugin and the operation named and the error as cause; a
 * PgsluiceError keeps its code and gets the plugin's name. {@link neverSettled} finds a call that is still pending when
 * the event loop is empty.
 */
export async function callPlugin<T>(callee: Callee, operation: string, run: () => T | Promise<T>): Promise<T> {
  const call: PendingCall = { plugin: callee.plugin, operation };
  pending.add(call);
  try {
    return await run();
  } catch (error) {
    throw pluginFailure(callee, operation, error);
  } finally {
    pending.delete(call);
  }
}

/** For process event `beforeExit`: the error of a call that never settled, or null. */
export function neverSettled(): PgsluiceError | null {
  const first = pending.values().next().value;
  if (first === undefined) return null;
  return registryError('PGS9007', `${first.operation} never ended`, { where: { plugin: first.plugin } });
}

function pluginFailure(callee: Callee, operation: string, error: unknown): unknown {
  if (isAbort(error)) return error;
  if (isPgsluiceError(error)) return within(error, { plugin: callee.plugin });
  const message = error instanceof Error ? error.message : String(error);
  return registryError('PGS9006', `${operation} failed: ${message}`, {
    where: { plugin: callee.plugin },
    cause: error,
  });
}

/** Also true for an error of another copy of this package, which a plugin may bring. */
export function isPgsluiceError(error: unknown): error is PgsluiceError {
  if (error instanceof PgsluiceError) return true;
  return error instanceof Error && error.name === 'PgsluiceError' && 'code' in error && 'exit' in error;
}

/** The same error with places added; places that it has already stay. */
function within(error: PgsluiceError, where: ErrorWhere): PgsluiceError {
  if (error.where?.plugin !== undefined) return error;
  Object.defineProperty(error, 'where', { value: { ...where, ...error.where }, enumerable: true, configurable: true });
  return error;
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError';
}

/**
 * The same object with every call of a method, also of its parts (`sink.stream.write`), wrapped in {@link callPlugin}.
 * Methods that return no promise still return none. What a method returns is guarded, too: a session's methods, and
 * what a stream or the frames of a copy throw while they are read. For objects whose methods are called per batch, not
 * per row.
 */
export function guarded<T extends object>(target: T, callee: Callee, path = ''): T {
  const known = new Map<string | symbol, unknown>();
  return new Proxy(target, {
    get(of, key) {
      const cached = known.get(key);
      if (cached !== undefined) return cached;
      const value: unknown = Reflect.get(of, key, of);
      if (key === Symbol.asyncIterator && typeof value === 'function') {
        return () => guardedIterator(of as AsyncIterable<unknown>, callee, path.replace(/\.$/, ''));
      }
      const name = typeof key === 'string' ? `${path}${key}` : `${path}dispose`;
      let wrapped = value;
      if (typeof value === 'function') wrapped = guardedMethod(of, value as Method, callee, name);
      else if (typeof value === 'object' && value !== null && hasMethods(value))
        wrapped = guarded(value, callee, `${name}.`);
      if (wrapped !== value) known.set(key, wrapped);
      return wrapped;
    },
  });
}

type Method = (...args: unknown[]) => unknown;

function guardedMethod(of: object, method: Method, callee: Callee, name: string): Method {
  return (...args) => {
    let result: unknown;
    try {
      result = method.apply(of, args);
    } catch (error) {
      throw pluginFailure(callee, name, error);
    }
    if (!(result instanceof Promise)) return result;
    return callPlugin(callee, name, async () => guardedResult(await (result as Promise<unknown>), callee, name));
  };
}

/**
 * A session or a stream, an object that contains one (the frames of a copy), or plain data, which is returned
 * unchanged.
 */
function guardedResult(result: unknown, callee: Callee, name: string): unknown {
  if (typeof result !== 'object' || result === null) return result;
  if (hasMethods(result) || isIterable(result)) return guarded(result, callee, `${name}.`);
  const carried = Object.entries(result).filter(([, value]) => isIterable(value));
  if (carried.length === 0) return result;
  const wrapped = carried.map(([key, value]) => [key, guarded(value as object, callee, `${name}.${key}.`)]);
  return { ...result, ...Object.fromEntries(wrapped) };
}

function isIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === 'object' && value !== null && Symbol.asyncIterator in value;
}

function guardedIterator(of: AsyncIterable<unknown>, callee: Callee, name: string): AsyncIterator<unknown> {
  const items = of[Symbol.asyncIterator]();
  const { return: end } = items;
  return {
    next: () => callPlugin(callee, name, () => items.next()),
    ...(end === undefined
      ? {}
      : { return: (value?: unknown) => callPlugin(callee, name, () => end.call(items, value)) }),
  };
}

function hasMethods(value: object): boolean {
  if (value instanceof Map || value instanceof Set || Array.isArray(value)) return false;
  for (
    let at: object | null = value;
    at !== null && at !== Object.prototype;
    at = Object.getPrototypeOf(at) as object | null
  ) {
    for (const key of Object.getOwnPropertyNames(at)) {
      if (key !== 'constructor' && typeof Object.getOwnPropertyDescriptor(at, key)?.value === 'function') return true;
    }
  }
  return false;
}
