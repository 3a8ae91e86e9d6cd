/** The capabilities palyra brings itself. They come in through the same hook as those of plugins. */
import { CAPABILITY_API } from './capability.js';
import { BUILTIN_PLUGIN, type SourcedRegistration } from './catalog.js';
import { echo } from './echo.js';
import { systemHealth } from './system-health.js';
import { systemIdentity } from './system-identity.js';

export const builtinCapabilities: SourcedRegistration = {
  plugin: BUILTIN_PLUGIN,
  api: CAPABILITY_API,
  capabilities: [echo, systemHealth, systemIdentity],
};
