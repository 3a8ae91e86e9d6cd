/** Joining as a person asks for it: what they typed, their code if it takes one, and an identity at the end. The conversation itself is `enroll.ts`. */
import { PalyraError } from '../base/errors.js';
import type { ProxySettings } from '../base/proxy.js';
import { readCertificate } from '../identity/certificate.js';
import { canonicalHost } from '../identity/hosts.js';
import { DEFAULT_PUBLIC_PORT, looksLikeLink, parseInviteLink, type InviteLink } from '../identity/invite-link.js';
import { readNodeIdentity, type NodeIdentity } from '../identity/material.js';
import type { SourcedRegistration } from './capabilities/catalog.js';
import { enroll, type EnrollDeps, type EnrollStep, type EnrollTarget } from './enroll.js';
import { describeMachine } from './facts.js';
import { NodePolicy } from './policy.js';
import { isMarkedRevoked } from './revocation.js';

export type JoinTarget =
  | { readonly kind: 'link'; readonly link: InviteLink }
  | { readonly kind: 'host'; readonly host: string; readonly port: number };

export interface JoinOptions {
  /** A link or a host, as it was typed. */
  readonly target: string;
  /** Asked only for a host. Null: there is none, a person approves by PIN. */
  readonly findCode: () => Promise<string | null>;
  readonly stateDirectory: string;
  readonly name: string | null;
  readonly version: string;
  readonly registrations: readonly SourcedRegistration[];
  readonly signal: AbortSignal;
  readonly proxy: ProxySettings;
  readonly onStep: (step: EnrollStep) => void;
}

/** This machine's place in a fleet, for people and programs. */
export interface Pairing {
  readonly id: string;
  readonly name: string;
  readonly daemonName: string;
  readonly publicEndpoint: string;
  /** The daemon told this machine that it was removed. */
  readonly revoked: boolean;
  readonly certificate: { readonly fingerprint: string; readonly notAfter: number };
}

/** `changed` is false when this machine was paired to that daemon already. Throws LINK_MALFORMED and everything `enroll` throws. */
export async function join(
  options: JoinOptions,
  deps: EnrollDeps,
): Promise<{ readonly pairing: Pairing; readonly changed: boolean }> {
  const { stateDirectory, name, version, registrations, signal, proxy, onStep } = options;
  const parsed = parseJoinTarget(options.target);
  const target = parsed.kind === 'link' ? parsed : await withCode(parsed, options.findCode);
  const before = await readNodeIdentity(stateDirectory);
  const policy = await NodePolicy.open(stateDirectory);
  const { facts, fromPlugins } = describeMachine(version, registrations, {
    isOn: (definition) => policy.isOnWhenPairing(definition),
  });
  const onIssued = async () => (await NodePolicy.open(stateDirectory)).accept(fromPlugins);
  const asked = { target, stateDirectory, name: name ?? undefined, facts, signal, proxy, onStep, onIssued };
  const identity = await enroll(asked, deps);
  return { pairing: toPairing(identity, false), changed: before?.certificatePem !== identity.certificatePem };
}

async function withCode(
  { host, port }: Extract<JoinTarget, { kind: 'host' }>,
  findCode: JoinOptions['findCode'],
): Promise<EnrollTarget> {
  const code = await findCode();
  return code === null ? { kind: 'pin', host, port } : { kind: 'code', host, port, code };
}

/** Null when this machine was never paired. */
export async function readPairing(stateDirectory: string): Promise<Pairing | null> {
  const identity = await readNodeIdentity(stateDirectory);
  if (identity === null) return null;
  const { fingerprint } = readCertificate(identity.certificatePem);
  return toPairing(identity, await isMarkedRevoked(stateDirectory, fingerprint));
}

/** `https://…/j/…`, `nas.lan`, `192.168.1.20:7443` or `[fd7a::1]:7443`. Throws LINK_MALFORMED. */
export function parseJoinTarget(text: string): JoinTarget {
  if (looksLikeLink(text)) return { kind: 'link', link: parseInviteLink(text) };
  const match = /^(\[[^\]]+\]|[^:]+)(?::(\d{1,5}))?$/.exec(text.trim());
  const host = match?.[1] === undefined ? null : canonicalHost(match[1]);
  const port = match?.[2] === undefined ? DEFAULT_PUBLIC_PORT : Number(match[2]);
  if (host === null || port < 1 || port > 65_535) {
    throw new PalyraError('LINK_MALFORMED', { detail: 'it is neither a link nor HOST or HOST:PORT' });
  }
  return { kind: 'host', host, port };
}

function toPairing(identity: NodeIdentity, revoked: boolean): Pairing {
  const { deviceId, name, daemonName, publicEndpoint, certificatePem } = identity;
  const { fingerprint, notAfter } = readCertificate(certificatePem);
  return { id: deviceId, name, daemonName, publicEndpoint, revoked, certificate: { fingerprint, notAfter } };
}
