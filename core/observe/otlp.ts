import type { Logger } from '../base/logger.ts';
import type { OtlpConfig } from '../config/pipeline-config.ts';
import type { PromMetrics } from './metrics.ts';

export interface OtlpOptions extends OtlpConfig {
  readonly metrics: PromMetrics;
  readonly pipeline: string;
  readonly log: Logger;
}

/** Milliseconds that a collector may take for an answer; the last one keeps the run from ending. */
const patience = 10_000;
const lastPatience = 2000;

/**
 * Sends what `/metrics` holds to an OpenTelemetry collector, and once more at the end. A collector that does not answer never ends a run: it is told
 * when it begins and when it is over. Values are those of the moment, so nothing is sent later that was not taken.
 */
export class OtlpPush implements AsyncDisposable {
  readonly #options: OtlpOptions;
  readonly #started = Date.now();
  readonly #timer: NodeJS.Timeout;
  readonly #ending = new AbortController();
  #sending: Promise<void> | null = null;
  #failing = false;

  constructor(options: OtlpOptions) {
    this.#options = options;
    this.#timer = setInterval(() => void this.#send(), options.every).unref();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#ending.abort();
    await this.#sending;
    await this.#send();
  }

  #send(): Promise<void> {
    this.#sending ??= this.#post().finally(() => (this.#sending = null));
    return this.#sending;
  }

  async #post(): Promise<void> {
    const { log } = this.#options;
    const { signal } = this.#ending;
    const last = signal.aborted;
    let why: string | null;
    try {
      const body = JSON.stringify(await this.#message());
      why = await this.#deliver(body).catch((error: unknown) => {
        // A connection that was kept may have been closed by the collector meanwhile.
        if (isLate(error)) throw error;
        return this.#deliver(body);
      });
    } catch (error) {
      // Cut off by the end of the run, which sends once more and tells how that went.
      if (!last && signal.aborted && isLate(error)) return;
      why = causeOf(error);
    }
    if (why !== null && !this.#failing) log.log('warn', 'otlp-failed', `metrics do not reach the collector: ${why}`);
    if (why === null && this.#failing) log.log('info', 'otlp-again', 'metrics reach the collector again');
    this.#failing = why !== null;
  }

  async #deliver(body: string): Promise<string | null> {
    const { url, headers } = this.#options;
    const ending = this.#ending.signal;
    const answer = await fetch(`${url.replace(/\/+$/, '')}/v1/metrics`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body,
      signal: ending.aborted
        ? AbortSignal.timeout(lastPatience)
        : AbortSignal.any([AbortSignal.timeout(patience), ending]),
      redirect: 'error',
    });
    return refusalOf(answer);
  }

  async #message(): Promise<object> {
    const { metrics, pipeline } = this.#options;
    const moment = { startTimeUnixNano: nano(this.#started), timeUnixNano: nano(Date.now()) };
    const found = (await metrics.json()).flatMap(({ name, help, type, values }): object[] => {
      const dataPoints = values
        .filter(({ value }) => Number.isFinite(value))
        .map(({ value, labels }) => ({ attributes: attributesOf(labels), ...moment, asDouble: value }));
      if (dataPoints.length === 0) return [];
      if (type === 'gauge') return [{ name, description: help, gauge: { dataPoints } }];
      // Cumulative since the start of the process (AGGREGATION_TEMPORALITY_CUMULATIVE).
      const sum = { dataPoints, aggregationTemporality: 2, isMonotonic: true };
      return type === 'counter' ? [{ name, description: help, sum }] : [];
    });
    const resource = { attributes: attributesOf({ 'service.name': 'pgsluice', 'service.instance.id': pipeline }) };
    return { resourceMetrics: [{ resource, scopeMetrics: [{ scope: { name: 'pgsluice' }, metrics: found }] }] };
  }
}

/** Null: all was taken. A collector says 200 also where it left samples out. */
async function refusalOf(answer: Response): Promise<string | null> {
  const text = await answer.text();
  if (!answer.ok) return `it answered ${answer.status}`;
  try {
    const { partialSuccess } = JSON.parse(text) as { partialSuccess?: { rejectedDataPoints?: number | string } };
    const rejected = Number(partialSuccess?.rejectedDataPoints ?? 0);
    return rejected > 0 ? `it left out ${rejected} samples` : null;
  } catch {
    // An empty answer, or one that is not JSON: the status is what counts.
    return null;
  }
}

function isLate(error: unknown): boolean {
  return error instanceof Error && (error.name === 'TimeoutError' || error.name === 'AbortError');
}

/** Of a failed fetch the cause says what happened; neither holds a header. */
function causeOf(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? ((cause as NodeJS.ErrnoException).code ?? cause.message) : message;
}

function attributesOf(labels: Readonly<Record<string, string | number>>): object[] {
  return Object.entries(labels).map(([key, value]) => ({ key, value: { stringValue: String(value) } }));
}

function nano(ms: number): string {
  return `${ms}000000`;
}
