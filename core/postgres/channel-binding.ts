import type { EventEmitter } from 'node:events';
import type pg from 'pg';
import { connectionError } from './errors.ts';
import type { ChannelBinding } from './target.ts';

/**
 * `channel_binding=require` (manual: "Database Connection Control Functions"): a server that cannot bind SCRAM to its
 * certificate gets no password, and a connection that is accepted without binding is closed. pg itself uses the binding
 * if the server offers it, and continues without it otherwise.
 */
export class BindingWatch {
  readonly #required: boolean;
  readonly #name: string;
  #offered = false;
  #proved = false;

  constructor(binding: ChannelBinding, name: string) {
    this.#required = binding === 'require';
    this.#name = name;
  }

  /** Before it connects. */
  watch(client: pg.Client): void {
    const { connection } = client as unknown as { readonly connection: EventEmitter };
    connection.on('authenticationSASL', ({ mechanisms }: { readonly mechanisms: readonly string[] }) => {
      this.#offered = mechanisms.includes('SCRAM-SHA-256-PLUS');
    });
    // pg checks the server's signature over the binding in this message, and fails where it is wrong.
    connection.on('authenticationSASLFinal', () => (this.#proved = this.#offered));
  }

  /** Called by every authentication method that needs a password, before the password is used. */
  password(given: () => Promise<string | undefined>): Promise<string | undefined> {
    if (this.#required && !this.#offered) return Promise.reject(this.#refusal());
    return given();
  }

  /** After the server has accepted the login. */
  check(): void {
    if (this.#required && !this.#proved) throw this.#refusal();
  }

  #refusal(): Error {
    return connectionError(
      'PGS2004',
      'channel_binding=require, and the server does not bind the login to its certificate',
      {
        where: { connection: this.#name },
        remedy: 'It needs TLS, a password and scram-sha-256 in pg_hba.conf; or use channel_binding=prefer.',
      },
    );
  }
}
