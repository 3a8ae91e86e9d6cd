/**
 * How this machine becomes a node: from an invite to an identity on disk.
 *
 *   probe ─► pin or note the CA ─► begin ─► the daemon proves the code ─► complete: code, possession, facts ─► await the material ─► check, write
 *
 * Nothing about this machine or the code is sent before the daemon's identity is known: with a link by its CA's fingerprint, with a typed code by its proof
 * of that code, which is bound to the CA it showed. The key is made first and stays the same over retries; the identity is written in one step at the end.
 */
import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Clock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import { ensurePrivateDirectory, readPrivateFile, writeFileAtomic } from '../base/files.js';
import type { Log } from '../base/log.js';
import type { MachineFacts } from '../base/model.js';
import { WITHOUT_PROXY, type ProxySettings } from '../base/proxy.js';
import type { Random } from '../base/random.js';
import { readCertificate } from '../identity/certificate.js';
import { caPin, humanFingerprint, parseInviteCode } from '../identity/codes.js';
import { spkiOf } from '../identity/device-key.js';
import { toUrlHost } from '../identity/hosts.js';
import type { InviteLink } from '../identity/invite-link.js';
import { readNodeIdentity, readOrCreateDeviceKey, writeNodeIdentity, type NodeIdentity } from '../identity/material.js';
import { findDaemon, toIdentity, type DaemonCertificates } from './enroll-trust.js';
import { Connector } from './link/connector.js';
import { lockNode } from './node-lock.js';
import { PairingConversation, type ConversationDeps, type Waiting } from './pairing-conversation.js';
import { isMarkedRevoked } from './revocation.js';
import { probeCertificates } from './tls-probe.js';

export type EnrollTarget =
  | { readonly kind: 'link'; readonly link: InviteLink }
  | { readonly kind: 'code'; readonly host: string; readonly port: number; readonly code: string }
  /** Without an invite: a person approves, by the PIN that this machine shows. */
  | { readonly kind: 'pin'; readonly host: string; readonly port: number };

export type EnrollStep =
  /** `pinned`: the link named this identity. Otherwise show `fingerprint` for comparison. */
  | {
      readonly step: 'reached';
      readonly host: string;
      readonly port: number;
      readonly pinned: boolean;
      readonly fingerprint: string;
    }
  /** Show `pin`: who approves the request types it. */
  | { readonly step: 'asking'; readonly requestId: string; readonly pin: string; readonly name: string }
  /** A person must answer; the request stays when this process ends. */
  | { readonly step: 'waiting'; readonly requestId: string; readonly expiresAt: number; readonly message: string };

export interface EnrollOptions {
  readonly target: EnrollTarget;
  readonly stateDirectory: string;
  /** Wanted name; without it the invite or the host name decides. */
  readonly name?: string | undefined;
  readonly facts: MachineFacts;
  /** For each step of the conversation, not for a person's answer. Default 10 s. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /** Default: none, straight to the daemon. */
  readonly proxy?: ProxySettings;
  readonly onStep?: (step: EnrollStep) => void;
  /** Before the identity is written, with the node's lock held: from then on this machine is paired. */
  readonly onIssued?: () => Promise<void>;
}

export interface EnrollDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
}

const STEP_TIMEOUT_MS = 10_000;
/** The request that waits for an answer, and its PIN, so that another try takes it up instead of spending another invite. */
const PENDING_FILE = 'join.json';

/**
 * Pairs, or returns the identity when this machine is paired to that daemon already. Durable when it resolves.
 * Throws DAEMON_UNREACHABLE, PROXY_*, DAEMON_IDENTITY_MISMATCH, CLOCK_SKEW, PAIRING_*, INVITE_REFUSED, NAME_TAKEN, NODE_ALREADY_PAIRED, NODE_ALREADY_RUNNING,
 * CODE_MALFORMED for a code that is none, STATE_* or CANCELLED.
 */
export async function enroll(options: EnrollOptions, deps: EnrollDeps): Promise<NodeIdentity> {
  const { target, stateDirectory } = options;
  const place = target.kind === 'link' ? target.link : target;
  const code = codeOf(target);
  await ensurePrivateDirectory(stateDirectory);
  const paired = await intactIdentity(stateDirectory);
  // With a link it is known without a word over the network whether this machine belongs to that daemon.
  if (paired !== null && target.kind === 'link') return samePairing(paired, target.link.caPin);

  const { timeoutMs = STEP_TIMEOUT_MS, signal } = options;
  const connector = new Connector(deps, { proxy: options.proxy ?? WITHOUT_PROXY });
  const pin = target.kind === 'link' ? target.link.caPin : null;
  const daemon = await probeCertificates(place, { ...deps, connector }, { timeoutMs, signal }, (chain) =>
    findDaemon(chain, pin, deps.clock.now()),
  );
  if (paired !== null) return samePairing(paired, caPin(daemon.caSpki));
  const { host, port } = place;
  const fingerprint = humanFingerprint(daemon.caSpki);
  options.onStep?.({ step: 'reached', host, port, pinned: target.kind === 'link', fingerprint });

  const unlock = await lockNode(stateDirectory);
  try {
    return await converse(options, { ...deps, connector }, { host, port, code, daemon });
  } finally {
    await unlock();
  }
}

interface Asked {
  readonly host: string;
  readonly port: number;
  /** Null to ask without an invite. */
  readonly code: string | null;
  readonly daemon: DaemonCertificates;
}

interface PendingJoin {
  readonly requestId: string;
  /** Shown again as long as nobody has answered. */
  readonly pin: string | null;
}

async function converse(
  options: EnrollOptions,
  deps: ConversationDeps,
  { host, port, code, daemon }: Asked,
): Promise<NodeIdentity> {
  const { stateDirectory, target, facts, name = '', timeoutMs = STEP_TIMEOUT_MS, signal } = options;
  const key = await readOrCreateDeviceKey(stateDirectory);
  const endpoint = `${toUrlHost(host)}:${port}`;
  const pendingFile = join(stateDirectory, PENDING_FILE);
  const pin = caPin(daemon.caSpki);
  const onPending = ({ requestId, expiresAt, message }: Waiting) =>
    options.onStep?.({ step: 'waiting', requestId, expiresAt, message });
  const conversation = new PairingConversation(deps, { endpoint, daemon, key, timeoutMs, signal, onPending });
  try {
    const tellPin = ({ requestId, pin: shown }: PendingJoin) => {
      if (shown !== null) options.onStep?.({ step: 'asking', requestId, pin: shown, name: name || facts.hostname });
    };
    const pending = await readPending(pendingFile, pin);
    // Who brings an invite does not wait for the answer to a PIN.
    const resumed = pending !== null && (pending.pin === null || code === null) ? pending : null;
    if (resumed !== null) tellPin(resumed);
    let material = resumed === null ? null : await conversation.resume(resumed.requestId, { asked: code === null });
    if (material === null) {
      const asked: PendingJoin =
        code === null
          ? await conversation.requestByPin({ name, facts })
          : { requestId: await conversation.request({ code, typed: target.kind === 'code', name, facts }), pin: null };
      await writeFileAtomic(pendingFile, `${JSON.stringify({ ...asked, caPin: pin })}\n`);
      tellPin(asked);
      material = await conversation.awaitMaterial(asked.requestId);
    }
    const identity = toIdentity(material, daemon, {
      spki: spkiOf(key),
      publicEndpoint: `https://${endpoint}`,
      now: deps.clock.now(),
    });
    await options.onIssued?.();
    await writeNodeIdentity(stateDirectory, identity);
    await rm(pendingFile, { force: true });
    return identity;
  } catch (error) {
    // A person has said no, and it was told: the next try is another question.
    if (code === null && PalyraError.from(error).reason === 'PAIRING_REJECTED') await rm(pendingFile, { force: true });
    throw error;
  } finally {
    conversation.close();
  }
}

function codeOf(target: EnrollTarget): string | null {
  switch (target.kind) {
    case 'link':
      return target.link.code;
    case 'code':
      return parseInviteCode(target.code);
    case 'pin':
      return null;
  }
}

/** The identity on disk, unless the daemon has refused it for good. */
async function intactIdentity(directory: string): Promise<NodeIdentity | null> {
  const identity = await readNodeIdentity(directory);
  if (identity === null) return null;
  const { fingerprint } = readCertificate(identity.certificatePem);
  return (await isMarkedRevoked(directory, fingerprint)) ? null : identity;
}

function samePairing(identity: NodeIdentity, pin: string): NodeIdentity {
  // A daemon that has replaced its CA is the same one: this machine was told by it.
  if (identity.caPin === pin || identity.trustBundle.some((pem) => caPin(readCertificate(pem).spki) === pin))
    return identity;
  throw new PalyraError('NODE_ALREADY_PAIRED', {
    detail: `it belongs to ${identity.daemonName} (${identity.publicEndpoint})`,
  });
}

/** A request that was made to this daemon. An unreadable file counts as none: then a new request is made. */
async function readPending(file: string, caPinHere: string): Promise<PendingJoin | null> {
  const bytes = await readPrivateFile(file);
  if (bytes === null) return null;
  try {
    const pending = JSON.parse(bytes.toString('utf8')) as { [key in 'requestId' | 'caPin' | 'pin']?: unknown } | null;
    if (typeof pending?.requestId !== 'string' || pending.caPin !== caPinHere) return null;
    return { requestId: pending.requestId, pin: typeof pending.pin === 'string' ? pending.pin : null };
  } catch {
    return null;
  }
}
