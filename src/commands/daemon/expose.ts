import { Args } from '@oclif/core';
import { isLoopbackUrl } from '../../lib/cli/addresses.js';
import { BaseCommand } from '../../lib/cli/base-command.js';

export default class DaemonExpose extends BaseCommand<typeof DaemonExpose> {
  static override summary = 'Say on which addresses nodes and the HTTPS API are served; live, and for the next start';
  static override description = `lan is the first address of a LAN and loopback; loopback is this machine alone. The ports stay, the server certificate is renewed for the
new names, links are made with them from now on; connections over an address that goes away are closed. daemon start --listen overrides it for one run. The
console stays on loopback. Nodes that were paired over another address know that one: those that cannot reach a new one need a new pairing.`;
  static override strict = false;
  static override usage = 'daemon expose <lan|loopback|address>…';
  static override examples = [
    '<%= config.bin %> daemon expose lan',
    '<%= config.bin %> daemon expose 192.168.1.20 127.0.0.1 --json',
  ];
  static override args = {
    where: Args.string({
      required: true,
      description: 'lan, loopback or an address of this machine; any number of them',
    }),
  };

  async run() {
    const { changed, listen } = await this.client().exposeDaemon(this.words);
    const urls = listen.filter(({ purpose }) => purpose === 'public').map(({ url }) => url);
    this.output.done(`${changed ? 'Serving' : 'Serving already'} ${urls.join(', ')}`);
    if (changed && urls.every(isLoopbackUrl)) {
      this.warn(
        'Other machines cannot reach the daemon any more; nodes on them stay offline until: palyra daemon expose lan',
      );
    }
    return { schema: 'palyra.daemon.expose/v1', action: 'expose', changed, listen };
  }
}
