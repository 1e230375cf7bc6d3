import type { Relation } from '../../../core/postgres/relation.ts';
import { relationName } from '../../../core/postgres/relation.ts';
import type { CopyChunk } from '../../../core/api/snapshot.ts';

export interface TableSize {
  /** Pages of the heap's main fork. */
  readonly pages: number;
  /** Heap with TOAST, bytes. */
  readonly bytes: number;
}

/**
 * Cuts a table into page ranges of about `chunkBytes` each, TOAST counted as spread evenly over the heap's pages. Pure. The
 * last range is open: pages added since are read, too (their rows are not visible to the snapshot, but nothing is assumed).
 */
export function cutChunks(relation: Relation, size: TableSize, chunkBytes: number): readonly CopyChunk[] {
  const id = relationName(relation);
  const parts = Math.max(1, Math.min(size.pages, Math.ceil(size.bytes / Math.max(1, chunkBytes))));
  if (parts === 1) return [{ id: `${id}#0`, relation, range: null, bytes: size.bytes }];
  const step = Math.ceil(size.pages / parts);
  const chunks: CopyChunk[] = [];
  for (let fromPage = 0; fromPage < size.pages; fromPage += step) {
    const last = fromPage + step >= size.pages;
    const pages = last ? size.pages - fromPage : step;
    chunks.push({
      id: `${id}#${chunks.length}`,
      relation,
      range: { fromPage, toPage: last ? null : fromPage + step },
      bytes: Math.round((size.bytes * pages) / size.pages),
    });
  }
  return chunks;
}
