/** Flags that more than one command has, with one wording each. */
import { Flags } from '@oclif/core';
import { PalyraError } from '../base/errors.js';
import { parseDuration } from './durations.js';

/** A duration such as `30s`; the value is milliseconds. */
export const durationFlag = Flags.custom<number>({
  helpValue: '<duration>',
  parse: async (text) => parseDuration(text),
});

/** 0 to 65535; 0 takes any free port. */
export const portFlag = Flags.custom<number>({
  helpValue: '<port>',
  parse: async (text) => {
    const port = Number(text);
    if (!/^\d{1,5}$/.test(text) || port > 65_535) {
      throw new PalyraError('USAGE_INVALID', { detail: `"${text}" is not a port; it is a number from 0 to 65535` });
    }
    return port;
  },
});

/** On every command; `--json` is added by oclif. */
export const GLOBAL_FLAGS = {
  context: Flags.string({
    char: 'c',
    helpValue: '<name>',
    description: 'Speak to the daemon of this context (also: PALYRA_CONTEXT)',
    helpGroup: 'GLOBAL',
  }),
  daemon: Flags.string({
    helpValue: '<url>',
    description: 'Speak to the daemon at this address (also: PALYRA_DAEMON)',
    helpGroup: 'GLOBAL',
  }),
  plain: Flags.boolean({ description: 'Tab-separated values without header and colour', helpGroup: 'GLOBAL' }),
  quiet: Flags.boolean({ char: 'q', description: 'Only what was asked for', helpGroup: 'GLOBAL' }),
  timeout: durationFlag({ description: 'How long to wait, such as 30s or 5m', helpGroup: 'GLOBAL' }),
  'no-color': Flags.boolean({ description: 'No colour (also: NO_COLOR)', helpGroup: 'GLOBAL' }),
  'no-input': Flags.boolean({ description: 'Never ask anything (also: PALYRA_NO_INPUT=1, CI)', helpGroup: 'GLOBAL' }),
  'no-plugins': Flags.boolean({ description: 'Without plugins (also: PALYRA_NO_PLUGINS=1)', helpGroup: 'GLOBAL' }),
  verbose: Flags.boolean({ char: 'v', description: 'More of the story, on stderr', helpGroup: 'GLOBAL' }),
};

export const yesFlag = Flags.boolean({ char: 'y', description: 'Do it without asking' });

/** Where the daemon listens; `daemon start`, `run` and `restart`. */
export const listenFlags = {
  listen: Flags.string({
    multiple: true,
    helpValue: '<address|lan|loopback>',
    description:
      'Addresses for nodes and the API; repeat it for more than one (default: what was exposed last, else loopback)',
  }),
  port: portFlag({ description: 'Port for pairing and the HTTPS API (default 7443; 0: any free one)' }),
  'node-port': portFlag({ description: 'Port for paired nodes (default 7444; 0: any free one)' }),
  'console-port': portFlag({ description: 'Port for the console, loopback only (default 7442; 0: any free one)' }),
  quic: Flags.boolean({
    allowNo: true,
    description:
      'Serve nodes over QUIC too, on UDP with the number of the node port (default yes; for good: palyra config set daemon.quic false)',
  }),
  heartbeat: durationFlag({ hidden: true, description: 'Interval of the nodes’ heartbeats (default 15s)' }),
};

/** `k=v` pairs into a record. Throws USAGE_INVALID. */
export function parseLabels(pairs: readonly string[]): Record<string, string> {
  const labels: Record<string, string> = {};
  for (const pair of pairs.flatMap((text) => text.split(','))) {
    const at = pair.indexOf('=');
    if (at < 1) throw new PalyraError('USAGE_INVALID', { detail: `"${pair}" is not a label; write it like site=lab` });
    labels[pair.slice(0, at)] = pair.slice(at + 1);
  }
  return labels;
}
