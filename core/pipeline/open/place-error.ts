import { PgsluiceError } from '../../base/error.ts';
import { transformProblem } from '../../config/check-transforms.ts';
import type { PipelineConfig, TransformUse } from '../../config/pipeline-config.ts';
import { isPgsluiceError } from '../../registry/call.ts';

/**
 * An error of a transform with `FILE:LINE:COL:` before its message, in the form that `validate` has, and all else that it
 * says. The planner has put the transform's label before the message of the error that is its cause.
 */
export function placeError(error: PgsluiceError, use: TransformUse, config: PipelineConfig): PgsluiceError {
  const inner = isPgsluiceError(error.cause) && error.message.startsWith(`${use.label}: `) ? error.cause : error;
  const plain = inner.message.startsWith(`${use.label}: `) ? withoutLabel(inner, use.label) : inner;
  const { file, line, col, message } = transformProblem(plain, use, config, null);
  return renamed(error, `${file}:${line}:${col}: ${message}`);
}

function withoutLabel(error: PgsluiceError, label: string): PgsluiceError {
  return renamed(error, error.message.slice(label.length + 2));
}

function renamed(error: PgsluiceError, message: string): PgsluiceError {
  const { code, remedy, exit, retry, where, at, cause } = error;
  return new PgsluiceError(code, { title: '', cause: '', remedy, exit, retry }, message, {
    where,
    cause,
    ...(at === null ? {} : { at }),
  });
}
