/** Reasons met while third-party plugins are installed, listed and removed. */
import { reasons } from './reason-row.js';

export const PLUGIN_REASONS = reasons({
  PLUGIN_NOT_FOUND: {
    code: 'NOT_FOUND',
    title: 'There is no such plugin here',
    hint: 'See what is installed: palyra plugins list',
  },
  PLUGIN_INVALID: {
    code: 'INVALID_ARGUMENT',
    title: 'This is not a plugin that works here; nothing was changed',
    hint: 'Ask its author, or keep it all the same, switched off where it fails: --force',
  },
  PLUGIN_NOT_INSTALLED: {
    code: 'FAILED_PRECONDITION',
    title: 'The package could not be installed; nothing was changed',
    hint: 'Check the name, the network and the registry of npm',
  },
  PLUGIN_COMMAND_FAILED: {
    code: 'INTERNAL',
    title: 'The command of the plugin failed',
    hint: 'See more with -v; whether it may be run again only its author knows',
  },
  PLUGINS_UNREADABLE: {
    code: 'FAILED_PRECONDITION',
    title: 'The list of installed plugins cannot be read',
    hint: 'Install them again after removing the file; until then palyra runs without plugins',
  },
});
