import pg from 'pg';
import type { Logger } from '../../../core/base/logger.ts';
import { bulkError } from '../errors.ts';

/**
 * Runs a DROP. The objects that it drops along (CASCADE) are logged from the server's notices; the objects that prevent
 * it (RESTRICT) are an error PGS3004 with the server's list: object names, never values.
 */
export async function dropReporting(
  client: pg.Client,
  sql: string,
  context: { readonly table: string; readonly log: Logger },
): Promise<void> {
  const notice = (message: { message?: string | undefined; detail?: string | undefined }): void =>
    context.log.log('warn', 'dependents-dropped', `${message.message ?? ''} ${message.detail ?? ''}`.trim());
  client.on('notice', notice);
  try {
    await client.query(`SET LOCAL client_min_messages = notice; ${sql}`);
    await client.query('SET LOCAL client_min_messages = warning');
  } catch (error) {
    if (!(error instanceof pg.DatabaseError) || error.code !== '2BP01') throw error;
    throw bulkError('PGS3004', `${error.message}: ${(error.detail ?? '').replaceAll('\n', '; ')}`, {
      where: { table: context.table, sqlstate: '2BP01' },
      cause: error,
    });
  } finally {
    client.removeListener('notice', notice);
  }
}
