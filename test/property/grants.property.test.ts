import { strict as assert } from 'node:assert';
import fc from 'fast-check';
import type { CapabilityDescriptor } from '../../src/lib/base/model.js';
import { capability, FACTS, OWNER, RuntimeFixture } from '../support/runtime-fixture.js';

/**
 * The machine announces what it has and has switched on; operators give, take away, approve and reject. The model is a few sets, written down from the rules
 * and not from the code. The daemon restarts in between.
 */
const NAMES = ['a.one', 'a.two', 'a.three', 'b.one', 'b.two'] as const;
const name = fc.constantFrom(...NAMES);
const names = fc.uniqueArray(name, { minLength: 1, maxLength: 3 });

type Step =
  | { readonly do: 'install' | 'uninstall' | 'enable' | 'disable' | 'update'; readonly name: string }
  | { readonly do: 'grant' | 'withhold'; readonly names: readonly string[] }
  | { readonly do: 'approve'; readonly only: readonly string[] | null }
  | { readonly do: 'reject' | 'register' | 'restart' };

/** A name that was once given or taken away is never asked for again, so these are rare, or nothing would be asked after the first steps. */
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 7,
    arbitrary: fc.record({ do: fc.constantFrom('install', 'uninstall', 'enable', 'disable', 'update'), name }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('grant', 'withhold'), names }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('approve'), only: fc.option(names) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('register') }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('reject', 'restart') }) },
);

class Model {
  readonly installed = new Map<string, number>([
    ['a.one', 1],
    ['a.two', 1],
  ]);
  readonly off = new Set<string>();
  granted: Set<string>;
  readonly takenAway = new Set<string>();
  readonly declined = new Map<string, number>();
  announced = new Map<string, number>(this.installed);

  constructor(granted: readonly string[]) {
    this.granted = new Set(granted);
    for (const [each, version] of this.announced) if (!this.granted.has(each)) this.declined.set(each, version);
  }

  wants(): string[] {
    return [...this.announced]
      .filter(
        ([each, version]) =>
          !this.granted.has(each) && !this.takenAway.has(each) && this.declined.get(each) !== version,
      )
      .map(([each]) => each)
      .sort();
  }

  usable(): string[] {
    return [...this.announced.keys()].filter((each) => this.granted.has(each)).sort();
  }
}

describe('what a machine may do', function () {
  this.timeout(60_000);

  it('is what it announces and was granted; what an operator took away stays away; one request names what is wanted', async () => {
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(fc.boolean(), fc.array(step, { maxLength: 40, size: 'max' }), async (isLimited, steps) => {
        const fixture = await RuntimeFixture.open();
        const first = isLimited ? ['a.one'] : ['a.one', 'a.two'];
        const model = new Model(first);
        const descriptors = (of: ReadonlyMap<string, number>): CapabilityDescriptor[] =>
          [...of].map(([each, version]) => capability(each, { version: `${version}.0.0` }));
        const { id } = await fixture.invite({ name: 'pi', capabilities: isLimited ? first : null });
        const { nodeId } = await fixture.redeem(id, 'key of pi', { capabilities: descriptors(model.announced) });
        const caller = { kind: 'device', nodeId: nodeId!, serial: '0001', address: '192.0.2.7' } as const;
        const register = async () => {
          model.announced = new Map([...model.installed].filter(([each]) => !model.off.has(each)));
          const facts = { ...FACTS, capabilities: descriptors(model.announced) };
          await fixture.runtime.registerNode(caller, { facts, protocol: { min: 1, max: 1 } });
        };
        const waiting = () => fixture.runtime.approvals.list().filter(({ kind }) => kind === 'capabilities');

        for (const now of steps) {
          switch (now.do) {
            case 'install':
              if (!model.installed.has(now.name)) model.installed.set(now.name, 1);
              break;
            case 'uninstall':
              model.installed.delete(now.name);
              break;
            case 'update':
              if (model.installed.has(now.name)) model.installed.set(now.name, model.installed.get(now.name)! + 1);
              break;
            case 'enable':
              model.off.delete(now.name);
              break;
            case 'disable':
              model.off.add(now.name);
              break;
            case 'register':
              await register();
              break;
            case 'restart':
              await fixture.restart();
              break;
            case 'grant':
            case 'withhold': {
              const isGrant = now.do === 'grant';
              await fixture.runtime.grants.change(OWNER, 'pi', {
                grant: isGrant ? now.names : [],
                withhold: isGrant ? [] : now.names,
              });
              for (const each of now.names) {
                if (isGrant) model.granted.add(each);
                else model.granted.delete(each);
                if (isGrant) model.takenAway.delete(each);
                else model.takenAway.add(each);
                if (isGrant) model.declined.delete(each);
              }
              break;
            }
            case 'approve': {
              const [request] = waiting();
              if (request === undefined) break;
              const wants = model.wants();
              const only = now.only?.filter((each) => wants.includes(each)) ?? wants;
              await fixture.runtime.approvals.approveCapabilities(request.id, { by: 'eva', only });
              for (const each of wants) {
                if (only.includes(each)) model.granted.add(each);
                else model.declined.set(each, model.announced.get(each)!);
              }
              break;
            }
            case 'reject': {
              const [request] = waiting();
              if (request === undefined) break;
              for (const each of model.wants()) model.declined.set(each, model.announced.get(each)!);
              await fixture.runtime.approvals.reject(request.id, { by: 'eva', reason: null });
              break;
            }
          }
          const { node, capabilities } = fixture.runtime.nodeDetails('pi');
          assert.deepEqual([...node.capabilities].sort(), model.usable());
          for (const each of model.takenAway) assert.ok(!node.capabilities.includes(each), `${each} was taken away`);
          assert.deepEqual(
            capabilities
              .filter(({ granted }) => granted)
              .map((each) => each.name)
              .sort(),
            model.usable(),
          );
          const requests = waiting();
          const wants = model.wants();
          // A request is reviewed when the machine registers or an operator decides; in between nothing it depends on changes.
          assert.deepEqual(
            requests.map((request) => request.kind === 'capabilities' && request.wants),
            wants.length === 0 ? [] : [wants],
          );
          asked += requests.length;
        }
      }),
      { numRuns: 300 },
    );
    assert.ok(asked > 150, 'machines did ask, or this proves nothing');
  });
});
