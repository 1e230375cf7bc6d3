import { transformsYaml } from './pipeline.ts';
import { schemaStatements, statementSql, text } from './print.ts';
import type { Script, Step } from './script.ts';

/** A script as a person reads it; what stands before `>` is the number of the connection. */
export function printed(script: Script): string {
  const { seed: _, tables: _tables, steps: _steps, needs: _needs, transforms: _transforms, ...rest } = script;
  const steps = script.steps.map((step) => stepText(step, script));
  return [
    `-- ${JSON.stringify(rest)}`,
    ...schemaStatements(script).map((sql) => `${sql};`),
    transformsYaml(script).trimEnd(),
    ...steps,
  ].join('\n');
}

function stepText(step: Step, script: Script): string {
  switch (step.op) {
    case 'do': {
      const sql = statementSql(step.statement, script);
      return `${step.on}> ${step.statement.op === 'copy' ? '(as COPY) ' : ''}${sql ?? '(nothing)'};`;
    }
    case 'begin':
      return `${step.on}> BEGIN;${step.guarded ? ' -- a savepoint before each statement' : ''}`;
    case 'commit':
    case 'rollback':
      return `${step.on}> ${step.op.toUpperCase()};`;
    case 'prepare':
      return `${step.on}> PREPARE TRANSACTION ${text(step.name)};`;
    case 'commit prepared':
    case 'rollback prepared':
      return `${step.on}> ${step.op.toUpperCase()} ${text(step.name)};`;
    case 'savepoint':
    case 'release':
    case 'rollback to':
      return `${step.on}> ${step.op.toUpperCase()} ${step.name};`;
    case 'wait':
      return `-- wait ${step.ms} ms`;
    case 'cut':
      return `-- cut the connections to the ${step.side}`;
    default:
      return `-- ${step.op}`;
  }
}
