/**
 * The keys of `config.toml`. Only what has an effect is here: a key that does nothing would be a promise.
 * A value has one form in the file and one spelling on the command line; both end in the same checked value.
 */
import { PalyraError } from '../base/errors.js';
import { resolveListen } from '../base/listen-words.js';
import { LOG_LEVELS } from '../base/log.js';
import { noProxyEntries, Proxy, withoutPassword } from '../base/proxy.js';
import { parseDuration } from './durations.js';
import { closest } from './text.js';

export type SettingValue = string | number | boolean | readonly string[];

export interface SettingKey {
  readonly key: string;
  readonly summary: string;
  /** What holds without it, as it would be written; null: decided elsewhere. */
  readonly fallback: SettingValue | null;
  /** The environment variable that beats the files. */
  readonly variable?: string;
  /** What may be printed of a value that can hold a password. */
  readonly shown?: (value: SettingValue) => SettingValue;
  /** From the words of a command line. Throws USAGE_INVALID. */
  readonly parse: (words: readonly string[]) => SettingValue;
  /** What a file has there. Throws USAGE_INVALID when it is something else. */
  readonly check: (value: unknown) => SettingValue;
}

const refuse = (detail: string): never => {
  throw new PalyraError('USAGE_INVALID', { detail });
};

const oneWord = (words: readonly string[]): string =>
  words.length === 1 && words[0] !== undefined ? words[0] : refuse('it takes one value');

type Form = Pick<SettingKey, 'parse' | 'check'>;

function text(accept: (value: string) => string): Form {
  return {
    parse: (words) => accept(oneWord(words)),
    check: (value) => (typeof value === 'string' ? accept(value) : refuse('it must be a text in quotes')),
  };
}

const oneOf = (options: readonly string[]): Form =>
  text((value) => (options.includes(value) ? value : refuse(`it must be one of ${options.join(', ')}`)));

const port: Form = {
  parse: (words) => checkPort(/^\d{1,5}$/.test(oneWord(words)) ? Number(words[0]) : Number.NaN),
  check: (value) => checkPort(value),
};

function checkPort(value: unknown): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 0 || value > 65_535) {
    return refuse('a port is a number from 0 to 65535');
  }
  return value;
}

const yesOrNo: Form = {
  parse: (words) => {
    const word = oneWord(words);
    return word === 'true' || word === 'false' ? word === 'true' : refuse('it must be true or false');
  },
  check: (value) => (typeof value === 'boolean' ? value : refuse('it must be true or false')),
};

const count = (min: number, max: number): Form => {
  const check = (value: unknown): number =>
    typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
      ? value
      : refuse(`it must be a whole number from ${min} to ${max}`);
  return { parse: (words) => check(/^\d{1,9}$/.test(oneWord(words)) ? Number(words[0]) : Number.NaN), check };
};

const addresses: Form = {
  parse: (words) => checkAddresses(words.flatMap((word) => word.split(',')).map((word) => word.trim())),
  check: (value) =>
    Array.isArray(value) && value.every((word) => typeof word === 'string')
      ? checkAddresses(value)
      : refuse('it must be a list, such as ["lan"]'),
};

const hosts: Form = {
  parse: (words) => checkHosts(words.flatMap(noProxyEntries)),
  check: (value) =>
    Array.isArray(value) && value.every((word) => typeof word === 'string')
      ? checkHosts(value)
      : refuse('it must be a list, such as ["nas.lan"]'),
};

function checkHosts(entries: readonly string[]): readonly string[] {
  const wrong = entries.find((entry) => !/^(\*|[A-Za-z0-9._*[\]:/-]{1,255})$/.test(entry));
  return wrong === undefined ? entries : refuse(`${JSON.stringify(wrong)} is neither a host nor a network`);
}

function checkAddresses(words: readonly string[]): readonly string[] {
  if (words.length === 0) return refuse('at least one address is needed');
  // Whether there is a LAN now is not the question: the words are resolved at every start.
  resolveListen(words.filter((word) => word !== 'lan'));
  return words;
}

/** Sorted. */
export const SETTING_KEYS: readonly SettingKey[] = [
  {
    key: 'daemon.console_port',
    summary: 'Port for the console, loopback only',
    fallback: 7442,
    ...port,
  },
  {
    key: 'daemon.listen',
    summary: 'Where nodes and the HTTPS API are served: lan, loopback or addresses; palyra daemon expose beats it',
    fallback: ['loopback'],
    ...addresses,
  },
  {
    key: 'daemon.node_certificate',
    summary: 'How long the certificate of a node is valid, 60s to 825d; nodes renew it by themselves at two thirds',
    fallback: '90d',
    ...text((value) => {
      const ms = parseDuration(value);
      return ms >= 60_000 && ms <= 825 * 86_400_000 ? value : refuse('it must be between 60s and 825d');
    }),
  },
  { key: 'daemon.node_port', summary: 'Port for paired nodes', fallback: 7444, ...port },
  { key: 'daemon.port', summary: 'Port for pairing and the HTTPS API', fallback: 7443, ...port },
  {
    key: 'daemon.quic',
    summary: 'Whether nodes are served over QUIC too, on UDP with the number of the node port',
    fallback: true,
    ...yesOrNo,
  },
  {
    key: 'daemon.quic_max_connections',
    summary: 'QUIC connections at once; a quarter of them is kept for paired devices',
    fallback: 256,
    ...count(1, 65_536),
  },
  {
    key: 'log.format',
    summary: 'How services log on stderr: pretty or json',
    fallback: 'pretty',
    variable: 'PALYRA_LOG_FORMAT',
    ...oneOf(['pretty', 'json']),
  },
  {
    key: 'log.level',
    summary: 'What services log',
    fallback: 'info',
    variable: 'PALYRA_LOG_LEVEL',
    ...oneOf(LOG_LEVELS),
  },
  {
    key: 'network.https_proxy',
    summary: 'Proxy to daemons elsewhere, like http://host:3128, for services too; HTTPS_PROXY and ALL_PROXY beat it',
    fallback: null,
    shown: (value) => (typeof value === 'string' ? withoutPassword(value) : value),
    ...text((value) => {
      new Proxy(value, 'the value');
      return value;
    }),
  },
  {
    key: 'network.no_proxy',
    summary:
      'Hosts reached without a proxy, beside those of NO_PROXY: names, .domains, addresses, networks, host:port, *',
    fallback: [],
    ...hosts,
  },
  {
    key: 'network.proxy_loopback',
    summary: 'Whether loopback addresses are reached through the proxy too',
    fallback: false,
    ...yesOrNo,
  },
  {
    key: 'node.name',
    summary: 'Name to ask for when this machine is paired',
    fallback: null,
    variable: 'PALYRA_NODE_NAME',
    ...text((value) =>
      /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/.test(value)
        ? value
        : refuse('a name has letters, digits, dots, dashes and underscores, at most 63'),
    ),
  },
  {
    key: 'presence.heartbeat',
    summary: 'Interval of the nodes’ heartbeats, 50ms to 60s; a fleet of thousands beats more slowly',
    fallback: '15s',
    ...text((value) => {
      const ms = parseDuration(value);
      return ms >= 50 && ms <= 60_000 ? value : refuse('it must be between 50ms and 60s');
    }),
  },
];

/** Throws USAGE_INVALID with the nearest key. */
export function settingKey(name: string): SettingKey {
  const found = SETTING_KEYS.find(({ key }) => key === name);
  if (found !== undefined) return found;
  const near = nearestKey(name);
  throw new PalyraError('USAGE_INVALID', {
    detail: `there is no setting "${name}"${near === null ? '' : `; did you mean ${near}?`}`,
    hint: 'List them: palyra config list',
  });
}

export function nearestKey(name: string): string | null {
  return closest(
    name.replaceAll('-', '_'),
    SETTING_KEYS.map(({ key }) => key),
  );
}
