import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { Metrics } from '../base/metrics.ts';
import { watchRun } from './run-metrics.ts';
import type { RunView } from '../pipeline/progress/run-view.ts';

/**
 * `/metrics` over prom-client. What plugins count is kept per name, made at its first mention with the labels of that
 * mention; what the run itself knows is read from its view when somebody asks. A metric never ends a run: what
 * Prometheus does not take is left out.
 */
export class PromMetrics implements Metrics {
  readonly #registry = new Registry();
  readonly #counters = new Map<string, Counter>();
  readonly #gauges = new Map<string, Gauge>();

  constructor(pipeline: string) {
    this.#registry.setDefaultLabels({ pipeline });
    collectDefaultMetrics({ register: this.#registry });
  }

  count(name: string, by: number, labels: Readonly<Record<string, string>> = {}): void {
    if (!(by >= 0)) return;
    const full = metricName(name.endsWith('_total') ? name : `${name}_total`);
    let counter = this.#counters.get(full);
    if (counter === undefined) {
      counter = new Counter({ ...described(full, labels), registers: [this.#registry] });
      this.#counters.set(full, counter);
    }
    counter.inc(only(counter, labels), by);
  }

  gauge(name: string, value: number, labels: Readonly<Record<string, string>> = {}): void {
    const full = metricName(name);
    let gauge = this.#gauges.get(full);
    if (gauge === undefined) {
      gauge = new Gauge({ ...described(full, labels), registers: [this.#registry] });
      this.#gauges.set(full, gauge);
    }
    gauge.set(only(gauge, labels), value);
  }

  /** Adds what the run knows of itself. */
  watch(view: RunView): void {
    watchRun(this.#registry, view);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }
  /** What {@link text} holds, as values. */
  async json(): Promise<readonly MetricValues[]> {
    // Its types say that `type` is a number; it is one of the words of the text format.
    return (await this.#registry.getMetricsAsJSON()) as unknown as readonly MetricValues[];
  }
  text(): Promise<string> {
    return this.#registry.metrics();
  }
}

export interface MetricValues {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram' | 'summary';
  readonly values: readonly { readonly value: number; readonly labels: Readonly<Record<string, string | number>> }[];
}

function metricName(name: string): string {
  const clean = name.replace(/[^a-zA-Z0-9_]/g, '_');
  return clean.startsWith('pgsluice_') ? clean : `pgsluice_${clean}`;
}

function described(name: string, labels: Readonly<Record<string, string>>) {
  return {
    name,
    help: `${name.slice('pgsluice_'.length).replaceAll('_', ' ')}, by a plugin`,
    labelNames: Object.keys(labels),
  };
}

/** prom-client throws at a label that was not declared. */
function only(metric: Counter | Gauge, labels: Readonly<Record<string, string>>): Record<string, string> {
  const known = (metric as unknown as { readonly labelNames: readonly string[] }).labelNames;
  return Object.fromEntries(Object.entries(labels).filter(([name]) => known.includes(name)));
}
