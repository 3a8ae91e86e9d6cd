/**
 * The oclif hook `node:capabilities`: every plugin that answers it adds capabilities to this machine's node. This is palyra's own answer.
 */
import { join } from 'node:path';
import { directoriesOf } from '../lib/cli/directories.js';
import { redact } from '../lib/cli/redaction.js';
import { builtinCapabilities } from '../lib/node/capabilities/builtin.js';
import type { SourcedRegistration } from '../lib/node/capabilities/catalog.js';

const hook = async (): Promise<SourcedRegistration> => {
  const nodeLog = { path: join(directoriesOf().logs, 'node.log'), redact: (value: unknown) => redact(value) };
  return builtinCapabilities(process.env, process.platform, nodeLog);
};

export default hook;
