/**
 * CRC-32 as in gzip and zip (ISO 3309, reflected polynomial 0xEDB88320). It finds accidents, not attackers.
 * Older supported releases of Node have no `zlib.crc32`; the table gives the same numbers, only slower.
 */
import * as zlib from 'node:zlib';

const TABLE = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = (value & 1) === 1 ? 0xedb88320 ^ (value >>> 1) : value >>> 1;
  return value >>> 0;
});

/** The portable form, byte by byte (D. V. Sarwate, CACM 31(8), 1988). */
export function crc32ByTable(data: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = (TABLE[(crc ^ byte) & 0xff] as number) ^ (crc >>> 8);
  return (crc ^ 0xffffffff) >>> 0;
}

const native = (zlib as { readonly crc32?: (data: Uint8Array) => number }).crc32;

/** Unsigned 32 bits. */
export const crc32: (data: Uint8Array) => number = native ?? crc32ByTable;
