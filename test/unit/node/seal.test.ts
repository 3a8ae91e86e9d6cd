/** What is left of a node's directory when its machine is prepared to be copied. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { ensurePrivateDirectory } from '../../../src/lib/base/files.js';
import { sealNode } from '../../../src/lib/node/forget.js';
import { NodePolicy } from '../../../src/lib/node/policy.js';
import { temporaryDirectory } from '../../support/temporary.js';

describe('sealing a node', () => {
  const home = temporaryDirectory();
  const filled = async (name: string) => {
    const directory = join(home(), name);
    await ensurePrivateDirectory(directory);
    const policy = await NodePolicy.open(directory);
    await policy.setOn('system.logs', true);
    for (const file of ['outbox.journal', 'device.key', 'identity.json', 'device.key.tmp-1', 'of-a-later-version'])
      writeFileSync(join(directory, file), 'x', { mode: 0o600 });
    mkdirSync(join(directory, 'renewal'), { mode: 0o700 });
    return { directory, policy };
  };

  it('leaves what was set, and none of what happened, of what is half written or of what it does not know', async () => {
    const { directory, policy } = await filled('a');
    const about = { capability: 'desktop.open_url', requestedBy: 'eva' };
    await policy.decide(
      { ...about, dispatch: 'd', subject: 'https://canary.example', answer: 'mute', via: 'terminal', by: 'eva', at: 1 },
      { mute: { ...about, until: Number.MAX_SAFE_INTEGER } },
    );
    const { removed, kept } = await sealNode(directory);
    assert.equal(removed[0], join(directory, 'identity.json'), 'it is no node any more, whatever happens next');
    assert.equal(removed.length, 6);
    assert.deepEqual(kept, [join(directory, 'policy.json')]);
    assert.deepEqual(readdirSync(directory), ['policy.json']);
    const text = readFileSync(join(directory, 'policy.json'), 'utf8');
    assert.match(text, /system\.logs/);
    assert.doesNotMatch(text, /canary|eva/);
    assert.deepEqual(await sealNode(directory), { removed: [], kept });
  });

  it('changes nothing when what was set cannot be read', async () => {
    const { directory } = await filled('b');
    writeFileSync(join(directory, 'policy.json'), '{"version":', { mode: 0o600 });
    const before = readdirSync(directory);
    await assert.rejects(sealNode(directory), { reason: 'STATE_CORRUPT' });
    assert.deepEqual(readdirSync(directory), before);
  });

  it('has nothing to do where no node ever was', async () => {
    assert.deepEqual(await sealNode(join(home(), 'nowhere')), { removed: [], kept: [] });
  });
});
