import { Options, schemaOf, Type } from '../../core/base/options.ts';

export type Method =
  | 'redact'
  | 'null'
  | { readonly hash: { readonly secret: string; readonly length?: number } }
  | { readonly partial: { readonly prefix?: number; readonly suffix?: number; readonly with?: string } }
  | { readonly digits: { readonly secret: string } };

const secret = Type.String({
  minLength: 8,
  description: 'Key of the hash; the same key gives the same result in every table. Take it from ${NAME} or ${file:…}.',
  secret: true,
});

/** What is done to a column. */
export const methodSchema = schemaOf<Method>({
  anyOf: [
    { enum: ['redact', 'null'], description: 'redact: *** for every value. null: NULL for every value.' },
    Options(
      {
        hash: Options({
          secret,
          length: Type.Optional(Type.Integer({ minimum: 8, maximum: 64, description: 'Hex digits that are kept.' })),
        }),
      },
      { description: 'HMAC-SHA256 of the value as hex text; of a uuid a uuid.' },
    ),
    Options(
      {
        partial: Options({
          prefix: Type.Integer({ minimum: 0, description: 'Characters kept at the start.', default: 0 }),
          suffix: Type.Integer({ minimum: 0, description: 'Characters kept at the end.', default: 0 }),
          with: Type.String({ description: 'What stands for the rest.', default: '***' }),
        }),
      },
      {
        description: 'Start and end of the value stay; a value that is no longer than both together is replaced whole.',
      },
    ),
    Options(
      { digits: Options({ secret }) },
      {
        description:
          'Digits become other digits, everything else stays: the format is kept. Two values may become the same.',
      },
    ),
  ],
});
