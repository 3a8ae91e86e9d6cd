import { Args } from '@oclif/core';
import { changeLine } from '../../../lib/cli/local-settings-report.js';
import { LocalSettingsCommand } from '../../../lib/cli/local-settings-command.js';
import { printable } from '../../../lib/cli/text.js';
import type { SourcedRegistration } from '../../../lib/node/capabilities/catalog.js';

export default class NodeCapabilitiesAllow extends LocalSettingsCommand<typeof NodeCapabilitiesAllow> {
  static override summary = 'Allow something on this machine without asking';
  static override description = `What a pattern is depends on the capability:
  desktop.open_url   https://wiki.example/* or https://*.corp.example/docs/*   (a star for every name below, not for the name itself)
  desktop.open_path  a file, or a folder and everything in it: /home/eva/shared/*
  fs.read_text, fs.list   a folder: everything below it can be read
  process.run        the whole command as a JSON list; nothing else is run`;
  static override examples = [
    "<%= config.bin %> node capabilities allow desktop.open_url 'https://*.corp.example/*'",
    '<%= config.bin %> node capabilities allow fs.read_text /var/log/app',
    `<%= config.bin %> node capabilities allow process.run '["git","status"]' --json`,
  ];
  static override args = {
    capability: Args.string({ required: true, description: 'Such as desktop.open_url' }),
    pattern: Args.string({ required: true, description: 'What is allowed; in quotes' }),
  };

  async run() {
    const [{ changeLocalSettings }, { loadCapabilityModules }] = await Promise.all([
      import('../../../lib/node/local-settings.js'),
      import('../../../lib/node/capabilities/modules.js'),
    ]);
    const parts = this.localParts<SourcedRegistration>(loadCapabilityModules);
    const { capability, pattern } = this.args;
    const answer = await changeLocalSettings(parts, { action: 'allow', capability, pattern });
    this.output.done(changeLine(answer, printable(`${answer.capability.name}: ${pattern} is allowed`)));
    if (!answer.capability.enabled) {
      this.output.say(`  It is off: palyra node capabilities enable ${answer.capability.name}`);
    }
    return { schema: 'palyra.node.capability/v1', action: 'allow', ...answer };
  }
}
