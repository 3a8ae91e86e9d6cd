/**
 * Everything a daemon is told before it starts, complete and checked. It reads no environment and no file: the command line does that.
 *
 * `listen` are addresses of this machine to bind; `hosts` are the names and addresses under which others reach it, used for the server
 * certificate and for links. They differ when `listen` is a wildcard or a name server knows the machine by another name.
 */
import { isIP } from 'node:net';
import { networkInterfaces } from 'node:os';
import { isAbsolute } from 'node:path';
import { PalyraError } from '../base/errors.js';
import { MAX_NODE_LIFETIME_MS, MIN_NODE_LIFETIME_MS, NODE_LIFETIME_MS } from '../identity/authority.js';
import { canonicalHost, toUrlHost } from '../identity/hosts.js';

export const DEFAULT_PORT = 7443;
export const DEFAULT_NODE_PORT = 7444;
export const DEFAULT_CONSOLE_PORT = 7442;

export interface DaemonConfig {
  /** Absolute. Holds snapshot, journal, identity and lock; made 0700 when missing. */
  readonly stateDirectory: string;
  /** Absolute path of the local socket, or a named pipe on Windows. */
  readonly socketPath: string;
  /** Addresses to bind for the public and the node port. */
  readonly listen: readonly string[];
  /** Names and addresses for the certificate and for links, best first. */
  readonly hosts: readonly string[];
  /** Public TLS port; 0 takes any free one. */
  readonly port: number;
  /** Mutual TLS port of the nodes; 0 takes any free one. */
  readonly nodePort: number;
  /** Loopback HTTP port; 0 takes any free one. */
  readonly consolePort: number;
  /** OS user whose local socket this is: the name written into records. */
  readonly ownerName: string;
  /** What nodes are told this daemon is called. */
  readonly daemonName: string;
  readonly version: string;
  /** QUIC on the number of the node port; false: not at all. */
  readonly quic: false | { readonly maxConnections: number };
  /** Absent: the runtime's default. */
  readonly heartbeatMs?: number;
  /** How long the certificate of a node is valid. */
  readonly nodeCertificateMs: number;
}

/** What has no default must be given; the rest may be left out. */
export type DaemonOptions = Pick<
  DaemonConfig,
  'stateDirectory' | 'socketPath' | 'ownerName' | 'daemonName' | 'version'
> &
  Partial<DaemonConfig>;

/** A node needs one connection; as many open ones as this and their buffers fit a small machine. */
const DEFAULT_QUIC_CONNECTIONS = 256;
const MAX_QUIC_CONNECTIONS = 65_536;

/** A certificate with more names than this is a mistake. */
const MAX_HOSTS = 32;

/** Fills in defaults and refuses what cannot work with CONFIG_INVALID, naming the value. Giving its answer back to it changes nothing. */
export function parseDaemonConfig(options: DaemonOptions): DaemonConfig {
  const asked = unique(options.listen ?? ['127.0.0.1']);
  // `::` takes IPv4 connections too, and would not share the port with `0.0.0.0`.
  const listen = asked.includes('::') ? asked.filter((address) => address !== '0.0.0.0') : asked;
  if (listen.length === 0) refuse('listen', 'at least one address is needed');
  for (const address of listen) {
    if (isIP(address) === 0) refuse('listen', `${JSON.stringify(address)} is not an IP address`);
  }
  const hosts = unique(options.hosts ?? reachableHosts(listen));
  if (hosts.length === 0 || hosts.length > MAX_HOSTS) refuse('hosts', `between 1 and ${MAX_HOSTS} are needed`);
  for (const host of hosts) {
    if (canonicalHost(host) === null) refuse('hosts', `${JSON.stringify(host)} is neither a host name nor an address`);
  }
  if (!isAbsolute(options.stateDirectory)) refuse('stateDirectory', 'the path must be absolute');
  if (!isAbsolute(options.socketPath)) refuse('socketPath', 'the path must be absolute');
  if (options.heartbeatMs !== undefined && !(options.heartbeatMs >= 50 && options.heartbeatMs <= 60_000)) {
    refuse('heartbeatMs', 'it must be between 50 and 60000');
  }
  const nodeCertificateMs = options.nodeCertificateMs ?? NODE_LIFETIME_MS;
  if (!(nodeCertificateMs >= MIN_NODE_LIFETIME_MS && nodeCertificateMs <= MAX_NODE_LIFETIME_MS)) {
    refuse('nodeCertificateMs', 'it must be between a minute and 825 days');
  }
  return {
    stateDirectory: options.stateDirectory,
    socketPath: options.socketPath,
    listen,
    hosts,
    port: checkPort('port', options.port ?? DEFAULT_PORT),
    nodePort: checkPort('nodePort', options.nodePort ?? DEFAULT_NODE_PORT),
    consolePort: checkPort('consolePort', options.consolePort ?? DEFAULT_CONSOLE_PORT),
    ownerName: checkName('ownerName', options.ownerName),
    daemonName: checkName('daemonName', options.daemonName),
    version: checkName('version', options.version),
    quic: checkQuic(options.quic ?? { maxConnections: DEFAULT_QUIC_CONNECTIONS }),
    ...(options.heartbeatMs === undefined ? {} : { heartbeatMs: options.heartbeatMs }),
    nodeCertificateMs,
  };
}

/** The same daemon on other addresses. Names that were derived from the addresses are derived anew; those that were given stay. */
export function withListen(config: DaemonConfig, listen: readonly string[]): DaemonConfig {
  const { hosts, ...rest } = config;
  const derived = hosts.join() === reachableHosts(config.listen).join();
  return parseDaemonConfig({ ...rest, listen, ...(derived ? {} : { hosts }) });
}

/** Whether a connection to this address of the machine would be accepted. */
export function isBound(listen: readonly string[], localAddress: string): boolean {
  return listen.some((address) => isWildcard(address) || address === localAddress);
}

export function isLoopback(host: string): boolean {
  return host === '::1' || host === 'localhost' || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * Where others are told to reach this daemon, best first. A daemon that listens on loopback only is reached there and nowhere else; one that
 * listens further never sends anybody to loopback, because that would be another machine's.
 */
export function advertisedHosts(config: Pick<DaemonConfig, 'listen' | 'hosts'>): readonly string[] {
  if (config.listen.every(isLoopback)) return config.listen;
  const reachable = config.hosts.filter((host) => !isLoopback(host));
  return reachable.length > 0 ? reachable : config.hosts;
}

/** Names and addresses of the server certificate: everything advertised, everything bound, and loopback. */
export function certificateHosts(config: Pick<DaemonConfig, 'listen' | 'hosts'>): readonly string[] {
  const bound = config.listen.filter((address) => !isWildcard(address));
  return unique([...config.hosts, ...bound, 'localhost', '127.0.0.1', '::1']);
}

/** Names under which requests for the public port may come, in canonical form: those of the certificate. */
export function hostNames(config: Pick<DaemonConfig, 'listen' | 'hosts'>): ReadonlySet<string> {
  return new Set(certificateHosts(config).map((host) => canonicalHost(host) ?? host));
}

/** `host:port`, with brackets around an IPv6 address. */
export function toAuthority(host: string, port: number): string {
  return `${toUrlHost(host)}:${port}`;
}

export function isWildcard(address: string): boolean {
  return address === '0.0.0.0' || address === '::';
}

/** The bound addresses themselves; for a wildcard every address of the machine that is not loopback and not link-local. */
function reachableHosts(listen: readonly string[]): string[] {
  const hosts = listen.filter((address) => !isWildcard(address));
  if (hosts.length < listen.length) {
    for (const entry of Object.values(networkInterfaces()).flat()) {
      if (entry !== undefined && !entry.internal && !/^(fe80|169\.254)/i.test(entry.address)) hosts.push(entry.address);
    }
  }
  return hosts.length > 0 ? hosts.slice(0, MAX_HOSTS) : ['127.0.0.1'];
}

function checkPort(name: string, port: number): number {
  if (!Number.isInteger(port) || port < 0 || port > 65_535) refuse(name, 'a port is a whole number from 0 to 65535');
  return port;
}

function checkQuic(quic: DaemonConfig['quic']): DaemonConfig['quic'] {
  if (quic === false) return false;
  const { maxConnections } = quic;
  if (!Number.isInteger(maxConnections) || maxConnections < 1 || maxConnections > MAX_QUIC_CONNECTIONS)
    refuse('quic.maxConnections', `it must be a whole number from 1 to ${MAX_QUIC_CONNECTIONS}`);
  return { maxConnections };
}

function checkName(name: string, text: string): string {
  if (!/^[^\p{Cc}]{1,200}$/u.test(text)) refuse(name, 'it must be 1 to 200 printable characters');
  return text;
}

function unique(values: readonly string[]): string[] {
  return [...new Set(values)];
}

function refuse(name: string, problem: string): never {
  throw new PalyraError('CONFIG_INVALID', { detail: `${name}: ${problem}`, details: { option: name } });
}
