import { PgsluiceError } from '../../../core/base/error.ts';
import { kafkaError } from '../errors.ts';
import { topicName } from './topics.ts';

/** A topic's name that is made of values of a row. PGS5061, without the values (I11), where there is none. */
export function rowTopic(text: string | null, what: string, reserved: ReadonlySet<string>): string {
  const wrong = (why: string) => kafkaError('PGS5061', `${what} gives ${why}`);
  if (text === null) throw wrong('NULL');
  if (text === '') throw wrong('an empty text');
  let name: string;
  try {
    name = topicName(text);
  } catch (error) {
    if (!(error instanceof PgsluiceError)) throw error;
    throw wrong(`a text of ${text.length} characters that cannot be a name`);
  }
  if (reserved.has(name) || name.startsWith('__')) throw wrong('the name of a topic that is not for rows');
  return name;
}
