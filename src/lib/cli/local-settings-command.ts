/** What the commands of `palyra node capabilities` share: where the settings are, and what the machine has. */
import type { Command } from '@oclif/core';
import { loadApprovalSettings } from './approval-settings.js';
import { BaseCommand } from './base-command.js';
import { collectCapabilities } from './capability-hook.js';

export abstract class LocalSettingsCommand<T extends typeof Command> extends BaseCommand<T> {
  /** `loadModules` is the node's own: this folder does not reach into it. */
  protected localParts<R extends object>(loadModules: Parameters<typeof collectCapabilities<R>>[1]) {
    return {
      stateDirectory: this.directories.nodeState,
      controlSocketPath: this.directories.nodeSocketPath,
      rules: async () => (await loadApprovalSettings(this.directories)).allow,
      registrations: async () => (await collectCapabilities<R>(this.config, loadModules)).registrations,
    };
  }
}
