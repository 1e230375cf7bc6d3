import type kafkajs from 'kafkajs';

/** The name by which {@link failureOf} knows kafkajs's own refusals. */
class AuthenticationFailed extends Error {
  override readonly name = 'KafkaJSSASLAuthenticationError';
}

/**
 * OAUTHBEARER for kafkajs (RFC 7628). Its own does not read the answer: a token that is refused comes with bytes that say so
 * and no error code, and only the next request finds the connection closed.
 */
export function oauthBearer(token: () => Promise<string>): kafkajs.Mechanism {
  return {
    mechanism: 'oauthbearer',
    authenticationProvider: ({ saslAuthenticate }) => ({
      authenticate: async () => {
        const first = Buffer.from(`n,,\x01auth=Bearer ${await token()}\x01\x01`);
        const length = Buffer.alloc(4);
        length.writeInt32BE(first.length);
        await saslAuthenticate({
          request: { encode: () => Buffer.concat([length, first]) },
          response: {
            decode: (raw: Buffer) => raw,
            parse: (raw: Buffer) => {
              if (raw.length > 4) throw new AuthenticationFailed('the broker refused the token');
            },
          },
        });
      },
    }),
  };
}
