/** What the commands of `palyra node capabilities` share: where the settings are, and what the machine has. */
import type { Command } from '@oclif/core';
import { loadApprovalSettings } from './approval-settings.js';
import { BaseCommand } from './base-command.js';
import { collectCapabilities, type CollectOptions } from './capability-hook.js';

export abstract class LocalSettingsCommand<T extends typeof Command> extends BaseCommand<T> {
  /** `loadModules` is the node's own: this folder does not reach into it. */
  protected localParts<R extends object>(loadModules: CollectOptions<R>['loadModules']) {
    return {
      stateDirectory: this.directories.nodeState,
      controlSocketPath: this.directories.nodeSocketPath,
      rules: async () => (await loadApprovalSettings(this.directories)).allow,
      registrations: async () => {
        const options = { data: this.directories.data, loadModules };
        const { registrations, close } = await collectCapabilities<R>(this.config, options);
        await close();
        return registrations;
      },
    };
  }
}
