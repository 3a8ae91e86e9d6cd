/** The suite of `palyra/testing` in our own runner, and what only we can look at: how the capabilities travel. */
import { strict as assert } from 'node:assert';

import { Catalog, type SourcedRegistration } from '../../src/lib/node/capabilities/catalog.js';
import { machineFacts } from '../../src/lib/node/facts.js';
import { fromFacts, toFacts } from '../../src/lib/wire/grpc/convert.js';
import { capabilitySuite, type CapabilitySamples } from '../../src/testing.js';
import { nodeFacts } from '../support/capabilities.js';

export function describeCapabilities(
  whose: string,
  registration: SourcedRegistration,
  samples: Readonly<Record<string, CapabilitySamples>>,
): void {
  describe(`the capabilities of ${whose}`, () => {
    const { plugin } = registration;
    for (const { name, run } of capabilitySuite(registration, samples, {
      ...(plugin === undefined ? {} : { plugin }),
      node: nodeFacts,
    }))
      it(name, run);

    it('travel over the wire unchanged', () => {
      const facts = machineFacts('1.0.0', Catalog.collect([registration]).catalog);
      assert.deepEqual(toFacts(fromFacts(facts)), facts);
      const asking = { ...facts, asksThrough: ['terminal', 'shell'] as const };
      assert.deepEqual(toFacts(fromFacts(asking)), asking);
    });
  });
}
