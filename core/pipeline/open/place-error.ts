import { derived, type PgsluiceError } from '../../base/error.ts';
import { transformProblem } from '../../config/check-transforms.ts';
import type { PipelineConfig, TransformUse } from '../../config/pipeline-config.ts';

/**
 * An error of a transform with `FILE:LINE:COL:` before its message, in the format of `validate`, and everything else
 * unchanged.
 */
export function placeError(error: PgsluiceError, use: TransformUse, config: PipelineConfig): PgsluiceError {
  const { file, line, col, message } = transformProblem(error, use, config, null);
  // The message names the step already.
  return derived(error, { message: `${file}:${line}:${col}: ${message}`, where: { step: undefined } });
}
