/**
 * The nodes while the daemon's CA is replaced: who has the new one for sure, and what ends with the old one.
 *
 * A node has the new CA when it has opened a link with a certificate that it made: the certificate and the CAs to trust came in one answer and lie in one
 * file there. That an answer was sent says nothing; it may have been lost.
 */
import type { RuntimeCore } from './core.js';
import { inviteState, revokeInvite } from './invites.js';
import { presenceOf, renewableUntil } from './presence.js';
import type { CertificateRecord, NodeRecord } from '../base/model.js';

/** A certificate renews itself when a third of its life is left; below a quarter, or this, it has had its chances. */
const LATE_MS = 14 * 86_400_000;
const LATE_SHARE = 1 / 4;

const LEFT_BEHIND = 'the CA of the daemon was replaced before this machine had the new one; pair it again';

export interface Holding {
  /** Paired nodes that have it. */
  readonly holding: number;
  readonly total: number;
  /** The others, by name. */
  readonly waiting: readonly {
    readonly name: string;
    readonly online: boolean;
    /** It did not say goodbye, as far as is known. */
    readonly expected: boolean;
    /** When it was heard last; wall milliseconds. */
    readonly lastSeenAt: number | null;
  }[];
  /** Invites that are open and bound to another one. */
  readonly openInvites: number;
}

export class Authorities {
  readonly #core: RuntimeCore;

  constructor(core: RuntimeCore) {
    this.#core = core;
  }

  /** Tells every link that is open, and each that will be, what to trust from now on. PEM; the first one signs certificates of nodes. */
  announce(certificates: readonly string[]): void {
    this.#core.trustBundle = certificates;
    for (const link of this.#core.links.all()) link.sink.send({ kind: 'trust_bundle', certificates });
  }

  /** `authority`: SHA-256 of the SubjectPublicKeyInfo. */
  holding(authority: string): Holding {
    const core = this.#core;
    const now = core.now();
    // Who could not renew any more has to be paired again whatever happens here.
    const paired = this.#paired().filter((node) => renewableUntil(node) >= now.wall);
    const waiting = paired
      .filter((node) => !holds(node, authority))
      .map((node) => {
        const { presence } = presenceOf(node, core.links.get(node.id), now);
        const online = presence === 'online' || presence === 'late';
        const { name, lastSeenAt } = node;
        return { name, online, expected: online || node.disconnectReason !== 'stopped', lastSeenAt };
      });
    const openInvites = this.#openInvitesOfOthers(authority).length;
    return { holding: paired.length - waiting.length, total: paired.length, waiting, openInvites };
  }

  /** Nodes that could still renew their certificate and have not, though it was time to; the one that ends first is the first. Wall milliseconds. */
  lateRenewals(): { readonly name: string; readonly endsAt: number }[] {
    const { wall } = this.#core.now();
    return this.#paired()
      .flatMap((node) => {
        const newest = node.certificates.toSorted((a, b) => b.notAfter - a.notAfter)[0];
        if (newest === undefined || renewableUntil(node) < wall) return [];
        const leftMs = newest.notAfter - wall;
        const isLate = leftMs < Math.min(LATE_MS, (newest.notAfter - newest.notBefore) * LATE_SHARE);
        return isLate ? [{ name: node.name, endsAt: newest.notAfter }] : [];
      })
      .toSorted((a, b) => a.endsAt - b.endsAt);
  }

  /** Names of those that would have no certificate left. */
  leftBehind(authority: string): string[] {
    const { wall } = this.#core.now();
    return this.#paired()
      .filter((node) => renewableUntil(node) >= wall && !node.certificates.some(({ issuer }) => issuer === authority))
      .map(({ name }) => name);
  }

  /**
   * Takes every certificate that another CA made off the allow list and ends the invites that are bound to another one, in one durable step; doing it again
   * changes nothing. Nodes that are left without a certificate are told when they are there, and have to be paired again.
   */
  async retireOthers(authority: string): Promise<{ leftBehind: string[]; endedInvites: number }> {
    const core = this.#core;
    const tx = core.begin();
    const leftBehind = this.leftBehind(authority);
    for (const node of this.#paired()) {
      const certificates = node.certificates.filter(({ issuer }) => issuer === authority);
      if (certificates.length === node.certificates.length) continue;
      tx.set('nodes', node.id, { certificates });
      if (certificates.length === 0) tx.send(node.id, { kind: 'revoked', message: LEFT_BEHIND });
    }
    const invites = this.#openInvitesOfOthers(authority);
    for (const invite of invites) revokeInvite(tx, invite);
    if (!tx.isEmpty) await core.commit(tx);
    return { leftBehind, endedInvites: invites.length };
  }

  #paired(): NodeRecord[] {
    const { registry, tables } = this.#core;
    return registry.names
      .map((name) => registry.byName(tables, name)!)
      .filter(({ trust, removedAt }) => trust === 'paired' && removedAt === null);
  }

  #openInvitesOfOthers(authority: string) {
    const wall = this.#core.deps.clock.now();
    return [...this.#core.tables.invites.values()].filter(
      (invite) => invite.authority !== authority && inviteState(invite, wall) === 'open',
    );
  }
}

function holds({ certificates }: NodeRecord, authority: string): boolean {
  return certificates.some(
    (certificate: CertificateRecord) => certificate.issuer === authority && certificate.used === true,
  );
}
