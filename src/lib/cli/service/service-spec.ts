/**
 * What a service of palyra is, whatever supervises it: a role, the wrapper it starts, the log it writes. Nothing in here, and so nothing in a unit or a
 * wrapper, is a secret: no link, code, token or proxy. Paths with control characters are refused, because no unit format can quote all of them.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { PalyraError } from '../../base/errors.js';

export type ServiceRole = 'node' | 'daemon';

export interface ServiceSpec {
  readonly role: ServiceRole;
  /** `palyra-node`; with another PALYRA_HOME `palyra-node-1f2e3d4c`, so that instances on one machine do not share a unit. */
  readonly name: string;
  /** The file a unit starts. It never moves, and finds Node and palyra when it is started. */
  readonly wrapper: string;
  readonly log: string;
  /** Directory for what belongs to the service alone. */
  readonly directory: string;
}

export interface SpecOptions {
  readonly role: ServiceRole;
  readonly data: string;
  readonly logs: string;
  /** PALYRA_HOME, when it is set. */
  readonly home: string | null;
  readonly platform: NodeJS.Platform;
}

/** Throws CONFIG_INVALID for a path that cannot be written into a unit. */
export function serviceSpec({ role, data, logs, home, platform }: SpecOptions): ServiceSpec {
  const suffix = home === null ? '' : `-${createHash('sha256').update(home).digest('hex').slice(0, 8)}`;
  const extension = platform === 'win32' ? '.ps1' : '';
  const spec = {
    role,
    name: `palyra-${role}${suffix}`,
    wrapper: join(data, 'bin', `palyra-${role}${extension}`),
    log: join(logs, `${role}.log`),
    directory: join(data, 'service'),
  };
  for (const path of [spec.wrapper, spec.log, spec.directory]) assertQuotable(path);
  return spec;
}

/** What people read in the lists of their service manager. */
export function describeRole(role: ServiceRole): string {
  return role === 'node' ? 'palyra node: this machine in a fleet' : 'palyra daemon: the control plane of a fleet';
}

export function assertQuotable(text: string): void {
  const control = [...text].some((character) => character < ' ' || character === '\u007f');
  if (control)
    throw new PalyraError('CONFIG_INVALID', {
      detail: `${JSON.stringify(text)} has a control character, which no service file can hold`,
    });
}
