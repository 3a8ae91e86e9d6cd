/** Contexts as they are shown, and the warning that a variable makes the choice instead. */
import { access } from 'node:fs/promises';
import type { ContextView } from './access-report.js';
import type { Contexts } from './contexts.js';
import type { Directories } from './directories.js';
import { readVariable, type Environment } from './environment.js';
import { humanFingerprintOf } from './fingerprint.js';
import type { Output } from './output.js';
import { credentialPath } from './stored-credentials.js';

/** The daemon of this machine first. */
export async function contextViews(contexts: Contexts, directories: Directories): Promise<ContextView[]> {
  const local: ContextView = {
    name: 'local',
    url: null,
    operator: null,
    role: null,
    identity: null,
    current: contexts.current === null,
    loggedIn: true,
  };
  const others = contexts.list().map(async ({ name, record }): Promise<ContextView> => {
    const loggedIn = await access(credentialPath(directories.credentials, name)).then(
      () => true,
      () => false,
    );
    const identity = record.caPem === null ? null : humanFingerprintOf(record.caPem);
    const { url, operator, role } = record;
    return { name, url, operator, role, identity, current: name === contexts.current, loggedIn };
  });
  return [local, ...(await Promise.all(others))];
}

/** An override that is not said aloud makes people doubt what they see. */
export function warnAboutOverride(output: Output, env: Environment = process.env): void {
  for (const name of ['PALYRA_DAEMON', 'PALYRA_CONTEXT']) {
    const value = readVariable(name, env);
    if (value === undefined) continue;
    output.warn(`${name}=${value.split('#')[0] ?? ''} is set and goes before the current context`);
    return;
  }
}
