import type { ConnectionOptions, SASLMechanismValue } from '@platformatic/kafka';
import { isIP } from 'node:net';
import type { ClusterOptions } from './kafkajs-client.ts';

/** Options that every client of @platformatic/kafka shares here: no retries, no topics made by accident. */
export function platformaticBase(options: ClusterOptions): ConnectionOptions & {
  clientId: string;
  bootstrapBrokers: string[];
  retries: number;
  autocreateTopics: boolean;
} {
  const { sasl, tls, token } = options.security;
  const oauth = sasl?.mechanism === 'oauthbearer';
  // The name for SNI, which must not be an address.
  const named = options.brokers.every((broker) => isIP(broker.replace(/:\d+$/, '').replace(/^\[|\]$/g, '')) === 0);
  return {
    clientId: options.clientId,
    bootstrapBrokers: [...options.brokers],
    retries: 0,
    autocreateTopics: false,
    connectTimeout: options.connectTimeout,
    requestTimeout: options.requestTimeout,
    ...(tls === null ? {} : { tls, ...(named ? { tlsServerName: tls.servername ?? true } : {}) }),
    ...(sasl === null
      ? {}
      : {
          sasl: {
            mechanism: sasl.mechanism.toUpperCase() as SASLMechanismValue,
            ...(oauth ? { token } : { username: sasl.username ?? '', password: sasl.password ?? '' }),
          },
        }),
  };
}
