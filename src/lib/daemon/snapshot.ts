/**
 * The text form of a snapshot: two JSON documents, one per line, so that `jq` reads it and a person can too. Pure: tables in, bytes out, and back.
 *
 *   {"format":"palyra.node-runtime","version":1,"seq":…,"crc":…,"writtenAt":…,"bodySha256":"…","headerCrc":"…"}
 *   {"daemon":{…},"nodes":{…},…}
 *
 * `seq` and `crc` name the last journal record it contains: the journal goes on from there. Every byte is covered, the body by its SHA-256 and the header
 * by its CRC and by having exactly one spelling, so that a changed byte is found and refused.
 */
import { createHash } from 'node:crypto';
import { crc32 } from '../base/crc32.js';
import { PalyraError } from '../base/errors.js';
import { corrupt, toHex8 } from '../base/record-chain.js';
import type { ChainLink } from '../base/record-chain.js';
import { tablesFromJson, tablesToJson } from '../runtime/state.js';
import type { Tables, TablesJson } from '../runtime/state.js';

export const SNAPSHOT_FORMAT = 'palyra.node-runtime';
export const SNAPSHOT_VERSION = 1;

export interface Snapshot {
  readonly tables: Tables;
  /** The last journal record that the tables contain. */
  readonly link: ChainLink;
  readonly writtenAt: number;
}

interface Header {
  readonly format: string;
  readonly version: number;
  readonly seq: number;
  readonly crc: number;
  readonly writtenAt: number;
  readonly bodySha256: string;
}

const NEWLINE = 0x0a;

export function encodeSnapshot({ tables, link, writtenAt }: Snapshot): Buffer {
  const body = Buffer.from(`${JSON.stringify(tablesToJson(tables))}\n`);
  const header: Header = {
    format: SNAPSHOT_FORMAT,
    version: SNAPSHOT_VERSION,
    seq: link.seq,
    crc: link.crc,
    writtenAt,
    bodySha256: sha256(body),
  };
  return Buffer.concat([Buffer.from(encodeHeader(header)), body]);
}

/** Throws STATE_CORRUPT with `file` and offset, or STATE_VERSION_UNSUPPORTED for what a newer palyra wrote. */
export function decodeSnapshot(bytes: Buffer, file: string): Snapshot {
  const bodyStart = bytes.indexOf(NEWLINE) + 1;
  if (bodyStart === 0) throw corrupt(file, 0, 'the snapshot has no header line');
  const header = decodeHeader(bytes.toString('utf8', 0, bodyStart), file);
  const body = bytes.subarray(bodyStart);
  if (sha256(body) !== header.bodySha256) throw corrupt(file, bodyStart, 'the tables do not match their SHA-256');
  return {
    tables: tablesFromJson(JSON.parse(body.toString()) as Partial<TablesJson>),
    link: { seq: header.seq, crc: header.crc },
    writtenAt: header.writtenAt,
  };
}

function encodeHeader(header: Header): string {
  const headerCrc = toHex8(crc32(Buffer.from(JSON.stringify(header))));
  return `${JSON.stringify({ ...header, headerCrc })}\n`;
}

function decodeHeader(line: string, file: string): Header {
  let header: Partial<Header>;
  try {
    header = JSON.parse(line) as Partial<Header>;
  } catch {
    throw corrupt(file, 0, 'the header is not JSON');
  }
  const { format, version, seq, crc, writtenAt, bodySha256 } = header ?? {};
  if (format !== SNAPSHOT_FORMAT) throw corrupt(file, 0, 'the header is not that of a snapshot');
  // Before anything else is judged: a newer version may write its header in another way.
  if (typeof version === 'number' && version > SNAPSHOT_VERSION) {
    throw new PalyraError('STATE_VERSION_UNSUPPORTED', {
      detail: `${file} has version ${version}; this palyra reads ${SNAPSHOT_VERSION}`,
      details: { file, version, supported: SNAPSHOT_VERSION },
    });
  }
  const known = { format, version, seq, crc, writtenAt, bodySha256 } as Header;
  if (encodeHeader(known) !== line) throw corrupt(file, 0, 'the header does not match its CRC');
  return known;
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
