import type pg from 'pg';
import type { Json } from '../../../core/api/checkpoint.ts';
import type { PublicationTrouble } from '../../../core/api/source-control.ts';
import { besideOf } from '../names.ts';
import type { SourceAccess } from '../session.ts';
import { refusalAsStandby } from '../synchronous-standby.ts';
import { readDefinition } from './definition.ts';
import { type Noted, differences } from './differences.ts';
import { freeWrites } from './free-writes.ts';
import { lookAt } from './look.ts';

/** Looks at the publications of a pipeline, cheaply as long as nothing has changed. */
export class PublicationWatch {
  readonly #access: SourceAccess;
  /** The last publication that was compared and found to equal its note. */
  #compared: { readonly signature: string | null; readonly noted: string } | null = null;

  constructor(access: SourceAccess) {
    this.#access = access;
  }

  /**
   * First of all writes are made possible again (I10); then changes by others are reported. `noted` null: nothing is
   * compared.
   */
  async look(client: pg.Client, noted: Json, added: boolean): Promise<readonly PublicationTrouble[]> {
    const { publication } = this.#access;
    const held = await refusalAsStandby(client, this.#access);
    if (held !== null) return [{ kind: 'freed', error: held, tables: null }];
    const found: PublicationTrouble[] = [];
    let signature: string | null = null;
    for (const name of [publication, besideOf(this.#access).publication]) {
      const look = await lookAt(client, name);
      if (name === publication) ({ signature } = look);
      if (look.suspects.length > 0)
        found.push(...(await freeWrites(client, this.#access, { publication: name, tables: look.suspects })));
    }
    if (found.length > 0 || !isNoted(noted)) return found;
    const text = JSON.stringify(noted);
    if (this.#compared?.signature === signature && this.#compared.noted === text) return [];
    const now = await readDefinition(client, publication);
    const changed = await differences(client, this.#access, { noted, now, added });
    if (changed.length === 0) this.#compared = { signature, noted: text };
    return changed;
  }
}

function isNoted(noted: Json): noted is Json & Noted {
  return typeof noted === 'object' && noted !== null && 'entries' in noted;
}
