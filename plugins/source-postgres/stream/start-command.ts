import { formatLsn } from '../../../core/postgres/lsn.ts';
import { quoteIdent } from '../../../core/postgres/quote.ts';
import { streamError } from './errors.ts';

export interface StartCommand {
  readonly slot: string;
  readonly publications: readonly string[];
  readonly from: bigint;
  /** server_version_num. */
  readonly version: number;
  readonly origin: 'any' | 'none';
  readonly streaming: boolean;
  readonly binary: boolean;
}

/**
 * START_REPLICATION with pgoutput's options (manual: "Logical Streaming Replication Parameters"). The newest protocol
 * of the server; logical messages always; prepared transactions only at their commit.
 */
export function startCommand(command: StartCommand): string {
  const { version, origin, streaming } = command;
  if (version < 140_000) throw streamError('PGS2157', `PostgreSQL 14 or later is needed, the source is ${version}`);
  if (origin === 'none' && version < 160_000) {
    throw streamError('PGS2157', 'the origin filter needs PostgreSQL 16 or later on the source');
  }
  const names = command.publications.map(quoteIdent).join(',');
  const options: [string, string][] = [
    ['proto_version', String(protocolVersion(version))],
    ['publication_names', names],
    ['messages', 'true'],
  ];
  if (origin === 'none') options.push(['origin', origin]);
  if (command.binary) options.push(['binary', 'true']);
  if (streaming) options.push(['streaming', 'on']);
  // The replication grammar knows doubled quotes and no backslashes.
  const list = options.map(([name, value]) => `${name} '${value.replaceAll("'", "''")}'`).join(', ');
  return `START_REPLICATION SLOT ${quoteIdent(command.slot)} LOGICAL ${formatLsn(command.from)} (${list})`;
}

function protocolVersion(version: number): number {
  if (version >= 160_000) return 4;
  return version >= 150_000 ? 3 : 2;
}
