/**
 * The oclif hook `node:capabilities`: every plugin that answers it adds capabilities to this machine's node. This is palyra's own answer.
 */
import { builtinCapabilities } from '../lib/node/capabilities/builtin.js';
import type { SourcedRegistration } from '../lib/node/capabilities/catalog.js';

const hook = async (): Promise<SourcedRegistration> => builtinCapabilities(process.env);

export default hook;
