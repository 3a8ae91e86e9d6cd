/**
 * The environment as palyra reads it: an empty variable is unset, a switch is on for anything but `0`, `false` and `no`.
 * Only `cli`, `commands` and `bin` may read it; everything below is given what it needs.
 */
export type Environment = Readonly<Record<string, string | undefined>>;

export function readVariable(name: string, env: Environment = process.env): string | undefined {
  const value = env[name];
  return value === undefined || value === '' ? undefined : value;
}

export function readSwitch(name: string, env: Environment = process.env): boolean {
  const value = readVariable(name, env)?.toLowerCase();
  return value !== undefined && !['0', 'false', 'no'].includes(value);
}

/** Reads a secret once and removes it, so that no child process inherits it. */
export function takeVariable(name: string, env: NodeJS.ProcessEnv = process.env): string | undefined {
  const value = readVariable(name, env);
  delete env[name];
  return value;
}

/** The variables this version understands; another `PALYRA_…` name is most likely a typo and gets a warning. */
export const VARIABLES: readonly string[] = [
  'PALYRA_A11Y',
  'PALYRA_CAPABILITY_MODULES',
  'PALYRA_CONFIG',
  'PALYRA_CONTEXT',
  'PALYRA_DAEMON',
  'PALYRA_HOME',
  'PALYRA_INVITE',
  'PALYRA_INVITE_FILE',
  'PALYRA_JSON',
  'PALYRA_LOG_FORMAT',
  'PALYRA_LOG_LEVEL',
  'PALYRA_NODE_NAME',
  'PALYRA_NO_INPUT',
  'PALYRA_NO_PLUGINS',
  'PALYRA_TOKEN',
  'PALYRA_TOKEN_FILE',
  'PALYRA_TRANSPORT',
];
