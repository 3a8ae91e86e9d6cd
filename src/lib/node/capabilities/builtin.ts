/** The capabilities palyra brings itself. They come in through the same hook as those of plugins. */
import { CAPABILITY_API } from './capability.js';
import { BUILTIN_PLUGIN, type SourcedRegistration } from './catalog.js';
import { desktopOpenPath } from './desktop-open-path.js';
import { desktopOpenUrl } from './desktop-open-url.js';
import { echo } from './echo.js';
import { fsList, fsReadText } from './fs-read.js';
import { findOpener, type Environment } from './opener.js';
import { processRun } from './process-run.js';
import { systemHealth } from './system-health.js';
import { systemIdentity } from './system-identity.js';
import { systemLogs, type NodeLog } from './system-logs.js';
import { systemWhich } from './system-which.js';

/** For a machine with this environment: those that need a desktop are there when it has one; its log can be asked for where it is known. */
export function builtinCapabilities(
  env: Environment,
  platform: NodeJS.Platform = process.platform,
  nodeLog: NodeLog | null = null,
): SourcedRegistration {
  return {
    plugin: BUILTIN_PLUGIN,
    api: CAPABILITY_API,
    capabilities: [
      echo,
      systemHealth,
      systemIdentity,
      systemWhich(env, platform),
      ...(nodeLog === null ? [] : [systemLogs(nodeLog)]),
      desktopOpenUrl(findOpener('url', env, platform)),
      desktopOpenPath(findOpener('path', env, platform), platform),
      fsReadText,
      fsList,
      processRun(env, platform),
    ],
  };
}
