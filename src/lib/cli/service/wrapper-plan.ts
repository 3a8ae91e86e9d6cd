/**
 * What a wrapper needs to start palyra: where Node and palyra were when it was written, the words of the command, and the few variables that decide where
 * everything lives. Both files may move afterwards (another Node of a version switcher, another global prefix): the wrapper then looks for them.
 */
import { resolve } from 'node:path';
import { assertQuotable, type ServiceRole } from './service-spec.js';

export interface WrapperPlan {
  readonly role: ServiceRole;
  /** Absolute path of the Node that runs now. */
  readonly node: string;
  /** Absolute path of `bin/run.js`. */
  readonly entry: string;
  /** Such as `node run --log-file …`. */
  readonly words: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  /** For a supervisor that cannot be told that exit code 78 is final. */
  readonly endsQuietlyWhenFinal: boolean;
}

/** Paths and nothing else. Proxies may hold a password and belong in the configuration; run-time directories belong to a session. */
const KEPT_VARIABLES = [
  'PALYRA_HOME',
  // The proxy is kept in the file that this names.
  'PALYRA_CONFIG',
  'PALYRA_CAPABILITY_MODULES',
  'XDG_CONFIG_HOME',
  'XDG_DATA_HOME',
  'XDG_STATE_HOME',
  'XDG_CACHE_HOME',
];

/** Of all variables those that a service must see too; empty ones are unset. */
export function keptVariables(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  return Object.fromEntries(
    KEPT_VARIABLES.flatMap((name) => {
      const value = env[name];
      if (value === undefined || value === '') return [];
      return [[name, name === 'PALYRA_CONFIG' ? resolve(value) : value] as const];
    }),
  );
}

/** Throws CONFIG_INVALID. */
export function assertPlan(plan: WrapperPlan): void {
  for (const text of [plan.node, plan.entry, ...plan.words, ...Object.values(plan.environment)]) assertQuotable(text);
}
