/** Words for addresses of this machine: `loopback`, `lan` or an IP address; as flags, settings and requests spell them. */
import { isIP } from 'node:net';
import { networkInterfaces, type NetworkInterfaceInfo } from 'node:os';
import { PalyraError } from './errors.js';

type Interfaces = NodeJS.Dict<NetworkInterfaceInfo[]>;

/** `loopback`, `lan` or an IP address each. `lan` keeps loopback, so that the machine itself stays reachable the usual way. */
export function resolveListen(
  words: readonly string[] | undefined,
  interfaces: Interfaces = networkInterfaces(),
): string[] {
  if (words === undefined || words.length === 0) return ['127.0.0.1'];
  return [...new Set(words.flatMap((word) => word.split(',')).flatMap((word) => resolveWord(word.trim(), interfaces)))];
}

function resolveWord(word: string, interfaces: Interfaces): string[] {
  if (word === 'loopback' || word === 'localhost') return ['127.0.0.1'];
  if (word === 'lan') return [lanAddress(interfaces), '127.0.0.1'];
  if (isIP(word) !== 0) return [word];
  throw new PalyraError('USAGE_INVALID', {
    detail: `listen ${word}: it must be loopback, lan or an IP address of this machine`,
  });
}

/** Addresses of container bridges are no LAN. */
const VIRTUAL = /^(docker|br-|veth|virbr|cni|flannel|podman|vmnet|utun|tun|tap)/;

function lanAddress(interfaces: Interfaces): string {
  const candidates = Object.entries(interfaces)
    .flatMap(([name, entries]) => (entries ?? []).map((entry) => ({ name, ...entry })))
    .filter((entry) => !entry.internal && entry.family === 'IPv4' && !entry.address.startsWith('169.254.'));
  const best = candidates.find((entry) => !VIRTUAL.test(entry.name)) ?? candidates[0];
  if (best === undefined) throw new PalyraError('ADDRESS_UNAVAILABLE', { detail: 'this machine has no LAN address' });
  return best.address;
}
