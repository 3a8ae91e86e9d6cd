import assert from 'node:assert/strict';
import { join } from 'node:path';
import { ensurePrivateDirectory } from '../../../src/lib/base/files.js';
import { Catalog } from '../../../src/lib/node/capabilities/catalog.js';
import { capabilitySettings } from '../../../src/lib/node/capability-settings.js';
import { describeMachine, machineFacts } from '../../../src/lib/node/facts.js';
import { NodePolicy } from '../../../src/lib/node/policy.js';
import { capability, registration } from '../../support/capabilities.js';
import { temporaryDirectory } from '../../support/temporary.js';

describe('what is on at a machine', () => {
  const home = temporaryDirectory();
  const own = { name: 'own.read' };
  const foreign = { name: 'acme.read', plugin: 'palyra-plugin-acme' };
  const shy = { name: 'acme.write', plugin: 'palyra-plugin-acme', offByDefault: true };
  const open = async (name: string) => {
    const directory = join(home(), name);
    await ensurePrivateDirectory(directory);
    return NodePolicy.open(directory);
  };

  it('is what came with palyra; what a plugin brought waits for its person, across restarts', async () => {
    const policy = await open('a');
    assert.deepEqual(
      [own, foreign, shy].map((it) => policy.isOn(it)),
      [true, false, false],
    );
    assert.equal(policy.isWaiting('acme.read'), true);
    await policy.setOn('acme.read', true);
    const again = await open('a');
    assert.deepEqual([again.isOn(foreign), again.isWaiting('acme.read')], [true, false]);
    await again.setOn('acme.read', false);
    assert.deepEqual([again.isOn(foreign), again.isWaiting('acme.read')], [false, false], 'a no is an answer');
  });

  it('takes in what was there when the machine was paired, but not what is off by its own word or by its person', async () => {
    const policy = await open('b');
    assert.deepEqual(
      [own, foreign, shy].map((it) => policy.isOnWhenPairing(it)),
      [true, true, false],
    );
    await policy.setOn('acme.no', false);
    await policy.accept(['acme.read', 'acme.no']);
    const again = await open('b');
    assert.equal(again.isOn(foreign), true);
    assert.equal(again.isOn({ name: 'acme.no', plugin: 'palyra-plugin-acme' }), false);
    assert.equal(again.isOn({ name: 'acme.later', plugin: 'palyra-plugin-acme' }), false, 'what an update brings');
  });

  it('is decided by where a capability comes from, not by what it says of itself', async () => {
    const liar = { ...capability({ name: 'acme.read' }), plugin: 'palyra' };
    const registrations = [registration(capability({ name: 'own.read' })), { ...registration(liar), plugin: 'acme' }];
    const { catalog } = Catalog.collect(registrations);
    const policy = await open('c');
    assert.deepEqual(
      machineFacts('1.0.0', catalog, policy).capabilities.map(({ name }) => name),
      ['own.read'],
    );
    assert.deepEqual(
      capabilitySettings(catalog, policy).map(({ name, enabled, plugin, waiting, offByDefault }) => [
        ...[name, enabled, plugin, waiting, offByDefault],
      ]),
      [
        ['acme.read', false, 'acme', true, true],
        ['own.read', true, null, false, false],
      ],
    );
    const pairing = describeMachine('1.0.0', registrations, { isOn: (it) => policy.isOnWhenPairing(it) });
    assert.deepEqual(pairing.fromPlugins, ['acme.read']);
  });
});
