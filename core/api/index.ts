/** Everything that a plugin may import, published as `pgsluice/api`. */
export * from './change.ts';
export * from './check.ts';
export * from './checkpoint.ts';
export * from './context.ts';
export * from './digest.ts';
export * from './error.ts';
export * from './expr.ts';
export * from './lsn.ts';
export * from './pattern.ts';
export * from './plan.ts';
export * from './plugin.ts';
export * from './relation.ts';
export * from './schemas.ts';
export * from './sink.ts';
export * from './snapshot.ts';
export * from './source.ts';
export * from './transform.ts';
