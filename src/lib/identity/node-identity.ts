/**
 * What a paired node knows about itself and its daemon: one file, `identity.json`, so that a machine is paired completely or not at all.
 * The private key is not in it; see `material.ts`. Unknown fields are dropped, missing ones refused.
 */
import { join } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory, readPrivateFile, writeFileAtomic } from '../base/files.js';
import { parseBoundedJson } from '../base/json.js';
import type { JsonValue } from '../base/model.js';

export interface NodeIdentity {
  readonly deviceId: string;
  readonly name: string;
  /** PEM. */
  readonly certificatePem: string;
  /** PEM, every CA certificate to trust. */
  readonly trustBundle: readonly string[];
  /** `host:port` of the node RPC listener, best first. */
  readonly nodeEndpoints: readonly string[];
  readonly daemonName: string;
  /** `https://host:port` it was paired through. */
  readonly publicEndpoint: string;
  /** See `caPin`. */
  readonly caPin: string;
  readonly grantedCapabilities: readonly string[];
  /** Milliseconds since the epoch. */
  readonly pairedAt: number;
}

const FILE = 'identity.json';
const FORMAT = 1;

/** Null when this machine is not paired. Throws STATE_CORRUPT or STATE_VERSION_UNSUPPORTED naming the file, STATE_NOT_OWNED. */
export async function readNodeIdentity(directory: string): Promise<NodeIdentity | null> {
  const file = join(directory, FILE);
  const bytes = await readPrivateFile(file);
  if (bytes === null) return null;
  let json: JsonValue;
  try {
    json = parseBoundedJson(bytes.toString('utf8'));
  } catch (cause) {
    throw new PalyraError('STATE_CORRUPT', { detail: `${file} is not JSON`, cause });
  }
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new PalyraError('STATE_CORRUPT', { detail: `${file} is not an object` });
  }
  return fromJson(json, file);
}

/** Durable when it resolves. */
export async function writeNodeIdentity(directory: string, identity: NodeIdentity): Promise<void> {
  await ensurePrivateDirectory(directory);
  await writeFileAtomic(join(directory, FILE), `${JSON.stringify({ format: FORMAT, ...identity }, null, 2)}\n`);
}

function fromJson(json: { [key: string]: JsonValue }, file: string): NodeIdentity {
  const refuse = (field: string) =>
    new PalyraError('STATE_CORRUPT', { detail: `${file}: ${field} is missing or wrong` });
  const number = (field: string): number => {
    const value = json[field];
    if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw refuse(field);
    return value;
  };
  const text = (field: string): string => {
    const value = json[field];
    if (typeof value !== 'string' || value === '') throw refuse(field);
    return value;
  };
  const texts = (field: string): string[] => {
    const value = json[field];
    if (!Array.isArray(value)) throw refuse(field);
    return value.map((entry) => {
      if (typeof entry !== 'string') throw refuse(field);
      return entry;
    });
  };
  const format = number('format');
  if (format > FORMAT)
    throw new PalyraError('STATE_VERSION_UNSUPPORTED', { detail: `${file} has the format ${format}` });
  return {
    deviceId: text('deviceId'),
    name: text('name'),
    certificatePem: text('certificatePem'),
    trustBundle: texts('trustBundle'),
    nodeEndpoints: texts('nodeEndpoints'),
    daemonName: text('daemonName'),
    publicEndpoint: text('publicEndpoint'),
    caPin: text('caPin'),
    grantedCapabilities: texts('grantedCapabilities'),
    pairedAt: number('pairedAt'),
  };
}
