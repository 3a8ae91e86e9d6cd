/** A real runtime on the in-memory store, a hand clock and a toy issuer, with helpers to pair a node without sockets. */
import { createHash } from 'node:crypto';
import type { Caller, CapabilityDescriptor, MachineFacts } from '../../src/lib/base/model.js';
import type { DownMessage, Hello } from '../../src/lib/base/link-messages.js';
import { silentLog } from '../../src/lib/base/log.js';
import { NodeRuntime } from '../../src/lib/runtime/runtime.js';
import type { LinkSession } from '../../src/lib/runtime/runtime.js';
import { HandClock } from './hand-clock.js';
import { MemoryStateStore } from './memory-state-store.js';
import { seededRandom } from './seeded-random.js';

export const OWNER: Caller = { kind: 'owner', name: 'eva' };

export function capability(name: string, changes: Partial<CapabilityDescriptor> = {}): CapabilityDescriptor {
  return {
    name,
    version: '1.0.0',
    summary: name,
    inputSchema: { type: 'object' },
    outputSchema: { type: 'object' },
    sideEffects: 'none',
    mediation: 'none',
    idempotent: true,
    executionTimeoutMs: 30_000,
    ...changes,
  };
}

export const FACTS: MachineFacts = {
  hostname: 'raspberrypi.local',
  platform: 'linux',
  arch: 'arm64',
  version: '0.1.0',
  protocol: 1,
  capabilities: [capability('safe.read'), capability('door.open', { idempotent: false, sideEffects: 'external' })],
};

export class RuntimeFixture {
  readonly clock = new HandClock();
  serials = 0;
  #codes = 0;

  private constructor(
    public store: MemoryStateStore,
    public runtime: NodeRuntime,
  ) {}

  static async open(): Promise<RuntimeFixture> {
    const store = new MemoryStateStore();
    const fixture = new RuntimeFixture(store, undefined as unknown as NodeRuntime);
    await fixture.restart(store);
    return fixture;
  }

  /** The daemon dies and starts again on what is durable. */
  async restart(store = this.store.restart()): Promise<void> {
    this.store = store;
    this.runtime = await NodeRuntime.open(
      {
        store,
        clock: this.clock,
        random: seededRandom(this.serials + this.clock.monotonic() + 1),
        log: silentLog,
        issuer: {
          issueNode: ({ deviceId, now }) => {
            const serial = (++this.serials).toString(16).padStart(4, '0');
            return {
              certificatePem: `certificate ${serial} of ${deviceId}`,
              serial,
              fingerprint: createHash('sha256').update(serial).digest('hex'),
              notBefore: now,
              notAfter: now + 90 * 86_400_000,
            };
          },
        },
      },
      { ownerName: 'eva', version: '0.1.0' },
    );
  }

  /** Time passes, and the daemon runs: longer than a minute without a tick it would have been away. */
  async live(ms: number, each: () => void = () => undefined): Promise<void> {
    for (let left = ms; left > 0; left -= 30_000) {
      this.clock.advance(Math.min(30_000, left));
      each();
      await this.runtime.tick();
    }
  }

  async invite(
    changes: Partial<Parameters<NodeRuntime['invites']['create']>[1]> = {},
  ): Promise<{ id: string; locator: string }> {
    const locator = (++this.#codes).toString(16).padStart(32, '0');
    const invite = await this.runtime.invites.create(OWNER, {
      verifier: { locator, storedKey: '00', serverKey: '00' },
      expiresInMs: 600_000,
      usesMax: 1,
      approval: 'none',
      name: null,
      labels: {},
      purpose: null,
      capabilities: null,
      ...changes,
    });
    return { id: invite.id, locator };
  }

  async redeem(inviteId: string, key: string, facts: Partial<MachineFacts> & { name?: string } = {}) {
    const { name, ...rest } = facts;
    return this.runtime.requestPairing({
      inviteId,
      spki: Buffer.from(key),
      keyFingerprint: key,
      facts: { ...FACTS, ...rest },
      requestedName: name ?? null,
      address: '192.0.2.7',
    });
  }

  async pair(name: string): Promise<{ nodeId: string; serial: string }> {
    const { id } = await this.invite({ name });
    const approval = await this.redeem(id, `key of ${name}`);
    return { nodeId: approval.nodeId!, serial: this.serials.toString(16).padStart(4, '0') };
  }

  async link(node: { nodeId: string; serial: string }, changes: Partial<Hello> = {}): Promise<TestLink> {
    const received: DownMessage[] = [];
    const session = undefined as unknown as LinkSession;
    const link: TestLink = { received, closedBy: null, session, uncarriedSince: null };
    link.session = await this.runtime.openLink(
      { kind: 'device', nodeId: node.nodeId, serial: node.serial, address: '192.0.2.7' },
      {
        kind: 'hello',
        bootId: 'boot-1',
        storeId: 'store-1',
        protocol: { min: 1, max: 1 },
        version: '0.1.0',
        credit: 4,
        lastEpoch: 0,
        known: [],
        ...changes,
      },
      {
        transport: 'grpc',
        send: (message) => received.push(message),
        close: (reason) => (link.closedBy = reason),
        get uncarriedSince() {
          return link.uncarriedSince;
        },
      },
    );
    return link;
  }
}

export interface TestLink {
  readonly received: DownMessage[];
  closedBy: string | null;
  /** As a carrier says that outlives its connections. */
  uncarriedSince: number | null;
  session: LinkSession;
}
