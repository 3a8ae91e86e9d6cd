/** What a joining machine says while it pairs. The steps are those of the enrolment, seen from here as plain data. */
import type { Output } from './output.js';

export type JoinStep =
  | {
      readonly step: 'reached';
      readonly host: string;
      readonly port: number;
      readonly pinned: boolean;
      readonly fingerprint: string;
    }
  | { readonly step: 'asking'; readonly requestId: string; readonly pin: string; readonly name: string }
  | { readonly step: 'waiting'; readonly requestId: string; readonly expiresAt: number; readonly message: string };

export function tellJoinStep(output: Output, step: JoinStep): void {
  if (step.step === 'waiting') {
    output.say(`⠋ Waiting for a person to approve ${step.requestId}. Ctrl-C to stop; the request stays.`);
    return;
  }
  if (step.step === 'asking') {
    const id = step.requestId.replace(/^req_/, '');
    output.say(`  Asking to join as "${step.name}".\n`);
    output.say(`        PIN   ${step.pin.slice(0, 3)} ${step.pin.slice(3)}\n`);
    output.say(`  Approve where the daemon is:   palyra approvals approve ${id}       (it will ask for the PIN)`);
    return;
  }
  const address = `${step.host.includes(':') ? `[${step.host}]` : step.host}:${step.port}`;
  const identity = step.pinned
    ? 'identity matches the invite'
    : `identity ${step.fingerprint}   ← compare with: palyra daemon status`;
  output.done(`Reached ${address}, ${identity}`);
}

/** `20 Feb 2027` */
export function dayOf(time: number | string): string {
  return new Date(time).toLocaleDateString('en-GB', {
    day: 'numeric',
    month: 'short',
    year: 'numeric',
    timeZone: 'UTC',
  });
}

const DAY_MS = 86_400_000;

export interface CertificateFacts {
  /** SHA-256 of the DER, hex. */
  readonly fingerprint: string;
  readonly notAfter: number;
}

export function certificateView(certificate: CertificateFacts, now: number) {
  return {
    fingerprint: `sha256:${certificate.fingerprint}`,
    notAfter: new Date(certificate.notAfter).toISOString(),
    daysLeft: Math.floor((certificate.notAfter - now) / DAY_MS),
  };
}

export function pairedLine(
  pairing: { readonly name: string; readonly certificate: CertificateFacts },
  changed: boolean,
): string {
  return `${changed ? 'Paired' : 'Already paired'} as "${pairing.name}" · certificate valid until ${dayOf(pairing.certificate.notAfter)}`;
}
