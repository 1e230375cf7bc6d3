import type { Metrics } from './metrics.ts';

/** For verbs that serve no metrics. */
export const noMetrics: Metrics = { count: () => {}, gauge: () => {} };

/** The same metrics, with `labels` on every sample; labels of the sample itself are added, and win. */
export function labelled(metrics: Metrics, labels: Readonly<Record<string, string>>): Metrics {
  if (metrics === noMetrics) return metrics;
  return {
    count: (name, by, ownLabels) => metrics.count(name, by, { ...labels, ...ownLabels }),
    gauge: (name, value, ownLabels) => metrics.gauge(name, value, { ...labels, ...ownLabels }),
  };
}
