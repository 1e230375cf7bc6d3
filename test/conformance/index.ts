/**
 * What a plugin has to do, as tests for `node --test`; published as `pgsluice/conformance`. A plugin's own test file calls
 * the function of its kind.
 */
export { checkpointConformance } from './checkpoint.ts';
export { sinkConformance, type SinkConformanceOptions, type SinkSubject } from './sink.ts';
export { sourceConformance, type SourceConformanceOptions, type SourceSubject } from './source.ts';
export { transformConformance, type TransformSubject } from './transform.ts';
