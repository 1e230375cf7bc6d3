import type { CliResult } from '../support/cli.ts';
import { Drive } from './drive.ts';

/** The reader of a journal, and the processes that apply it. Each verb but `run` is of the appliers' file. */
export class ChainDrive extends Drive {
  readonly #appliers: readonly Drive[];
  #made = false;
  #turn = 0;

  constructor(
    files: { readonly reader: string; readonly applier: string },
    appliers: number,
    write: (run: number) => Promise<void>,
  ) {
    super(files.reader, { ddl: 'stop' }, write);
    const none = async () => {};
    this.#appliers = Array.from(
      { length: appliers },
      () => new Drive(files.applier, { ddl: 'stop' }, none, { faults: this.faults, log: this.log }),
    );
  }

  override async start(): Promise<void> {
    await super.start();
    // The reader makes the topic.
    if (this.#made) for (const applier of this.#appliers) await applier.start();
  }

  override async streaming(ms?: number): Promise<void> {
    await super.streaming(ms);
    if (ms !== undefined && !this.#made) return;
    this.#made = true;
    for (const applier of this.#appliers) await applier.streaming(ms);
  }

  override async kill(): Promise<void> {
    const at = this.#turn++ % (this.#appliers.length + 1);
    await (at === 0 ? super.kill() : this.#appliers[at - 1]!.kill());
  }

  override async stop(): Promise<void> {
    await super.stop();
    await this.#stopAppliers();
  }

  override async catchUp(): Promise<void> {
    await super.catchUp();
    if (!this.well) return;
    await this.#stopAppliers();
    this.#made = true;
    await this.#appliers[0]!.catchUp();
  }

  override async command(verb: string, ...more: readonly string[]): Promise<CliResult> {
    return verb === 'run' ? super.command(verb, ...more) : this.#appliers[0]!.command(verb, ...more);
  }

  override async end(): Promise<void> {
    await super.end();
    for (const applier of this.#appliers) await applier.end();
  }

  async #stopAppliers(): Promise<void> {
    for (const applier of this.#appliers) if (applier.running) await applier.stop();
  }
}
