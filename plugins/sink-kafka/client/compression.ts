import zlib from 'node:zlib';
import { compressionsAlgorithms } from '@platformatic/kafka';
import kafkajs from 'kafkajs';
import { kafkaError } from '../errors.ts';
import type { Compression } from './producer.ts';

type Codec = { compress(encoder: { buffer: Buffer }): Promise<Buffer>; decompress(data: Buffer): Promise<Buffer> };
const types = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 } as const;

/** The number of a codec in kafkajs, having given it the codecs that it lacks: WebAssembly for snappy and lz4, node:zlib for zstd. */
export function kafkajsCompression(name: Compression): number {
  requireCompression(name);
  if (name === 'snappy' || name === 'lz4' || name === 'zstd') {
    const algorithm = compressionsAlgorithms[name];
    const codec: Codec = {
      compress: async (encoder) => algorithm.compressSync(encoder.buffer) as Buffer,
      decompress: async (data) => algorithm.decompressSync(data) as Buffer,
    };
    (kafkajs.CompressionCodecs as Record<number, () => Codec>)[types[name]] = () => codec;
  }
  return types[name];
}

/** Throws PGS5017 where this Node cannot. */
export function requireCompression(name: Compression): void {
  if (name === 'zstd' && typeof zlib.zstdCompressSync !== 'function') {
    throw kafkaError('PGS5017', `Node ${process.version} has no zstd`);
  }
}
