/**
 * Makes an invite whole: code → verifier (kept) → link (shown once). The code exists in memory only while the answer is built; what the
 * runtime stores lets nobody join.
 */
import { PalyraError } from '../base/errors.js';
import type { Caller, NewInviteView } from '../base/model.js';
import type { Random } from '../base/random.js';
import { caPin, formatCode, newInviteCode } from '../identity/codes.js';
import type { Authority } from '../identity/authority.js';
import { canonicalHost } from '../identity/hosts.js';
import { formatInviteLink } from '../identity/invite-link.js';
import { deriveCodeKeys, toVerifier } from '../identity/pairing-proof.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { ParsedBody } from '../wire/http/schemas.js';
import { advertisedHosts, toAuthority, type DaemonConfig } from './config.js';

/** Each derivation takes 32 MiB and about 0.2 s of a core; more at once are refused with RATE_LIMITED. */
const MAX_DERIVATIONS = 4;

export interface InviteDeskDeps {
  readonly runtime: Pick<NodeRuntime, 'invites'>;
  /** The one that is shown now. */
  readonly authority: () => Pick<Authority, 'spki' | 'spkiSha256' | 'fingerprint'>;
  readonly random: Random;
}

export class InviteDesk {
  readonly #deps: InviteDeskDeps;
  readonly #config: Pick<DaemonConfig, 'listen' | 'hosts'>;
  readonly #publicPort: () => number;
  #deriving = 0;

  /** `publicPort` is asked when a link is made: port 0 is known only after binding. */
  constructor(deps: InviteDeskDeps, config: Pick<DaemonConfig, 'listen' | 'hosts'>, publicPort: () => number) {
    this.#deps = deps;
    this.#config = config;
    this.#publicPort = publicPort;
  }

  /** Durable when it resolves. Throws NAME_TAKEN, REQUEST_INVALID (address, uses), RATE_LIMITED, and of a node to be replaced NODE_NOT_FOUND, NODE_AMBIGUOUS and REPLACED_NODE_ONLINE. */
  async create(caller: Caller, body: ParsedBody<'invites.create'>): Promise<NewInviteView> {
    const { runtime, random } = this.#deps;
    const authority = this.#deps.authority();
    const addresses = advertisedHosts(this.#config).map((host) => ({ host, port: this.#publicPort() }));
    const target = body.address === undefined ? addresses[0] : parseAddress(body.address);
    if (target === undefined) throw new PalyraError('INTERNAL');
    const code = newInviteCode(random);
    const verifier = toVerifier(await this.#derive(code, authority.spkiSha256));
    const record = await runtime.invites.create(caller, {
      verifier,
      usesMax: body.uses,
      expiresInMs: body.expiresInMs,
      name: body.name ?? null,
      labels: body.labels,
      purpose: body.purpose ?? null,
      approval: body.approval,
      capabilities: body.capabilities ?? null,
      ephemeralMs: body.ephemeralMs,
      replace: body.replace,
      evenOnline: body.replaceOnline,
      authority: authority.spkiSha256,
    });
    return {
      ...runtime.invites.view(record.id),
      link: formatInviteLink({ ...target, code, caPin: caPin(authority.spki) }),
      code: formatCode(code),
      caFingerprint: `sha256:${authority.fingerprint}`,
      addresses: addresses.map(({ host, port }) => toAuthority(host, port)),
    };
  }

  async #derive(code: string, caSpkiSha256: string): ReturnType<typeof deriveCodeKeys> {
    if (this.#deriving >= MAX_DERIVATIONS)
      throw new PalyraError('RATE_LIMITED', { detail: 'too many invites are being made' });
    this.#deriving += 1;
    try {
      return await deriveCodeKeys(code, caSpkiSha256);
    } finally {
      this.#deriving -= 1;
    }
  }
}

/** `HOST:PORT` or `[V6]:PORT` as the operator wants it in the link. */
function parseAddress(text: string): { host: string; port: number } {
  const match = /^(\[[^\]]+\]|[^:[\]]+):(\d{1,5})$/.exec(text);
  const host = match?.[1] === undefined ? null : canonicalHost(match[1]);
  const port = Number(match?.[2]);
  if (host === null || !(port >= 1 && port <= 65_535)) {
    throw new PalyraError('REQUEST_INVALID', { detail: 'address: it must be HOST:PORT' });
  }
  return { host, port };
}
