/**
 * Certificates that come to their end: the daemon's CA, which nobody replaces by himself, its server certificate and those of nodes, which renew themselves, so
 * that one near its end says that something keeps it from that.
 *
 * What is near its end is in `daemon status` and `doctor` all the time, in the log once a day, and in the audit log whenever it has become more urgent.
 */
import { toTimestamp, type Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { readCertificate } from '../identity/certificate.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { Auditor } from './auditor.js';
import type { Authorities } from './authorities.js';

const DAY_MS = 86_400_000;
/** The levels of urgency, in days; 0 when it is over. */
const LEVELS = [0, 1, 7, 30] as const;
const TELL_EVERY_MS = DAY_MS;
const LOOK_EVERY_MS = 60_000;
/** Of nodes; the others are counted. */
const MAX_NAMES = 10;

export interface CertificateAlarm {
  readonly code: 'ca-ending' | 'server-certificate-ending' | 'node-certificates-ending';
  /** Days: the alarm is raised anew at each. */
  readonly level: number;
  readonly endsAt: string;
  readonly message: string;
  /** What to do. */
  readonly fix: string;
}

export interface CertificateAlarmsDeps {
  readonly clock: Clock;
  readonly log: Log;
  readonly auditor: Pick<Auditor, 'write'>;
  readonly runtime: Pick<NodeRuntime, 'authorities'>;
  readonly authorities: Pick<Authorities, 'shown' | 'next' | 'server'>;
}

export class CertificateAlarms {
  readonly #deps: CertificateAlarmsDeps;
  /** By code: when it was logged last (monotonic), and the level that is in the audit log. */
  #lookedAt: number | null = null;
  readonly #told = new Map<string, { at: number; level: number }>();

  constructor(deps: CertificateAlarmsDeps) {
    this.#deps = deps;
  }

  /** The most urgent first. */
  view(): CertificateAlarm[] {
    const alarms = [this.#ofCa(), this.#ofServer(), this.#ofNodes()].filter((alarm) => alarm !== null);
    return alarms.toSorted((a, b) => Date.parse(a.endsAt) - Date.parse(b.endsAt));
  }

  /** Tells what is new. Called by the ticker; never rejects. */
  async look(): Promise<void> {
    const { clock, log } = this.#deps;
    const now = clock.monotonic();
    // By the wall clock, because that is what ends certificates, and what is set.
    const wall = clock.now();
    if (this.#lookedAt !== null && Math.abs(wall - this.#lookedAt) < LOOK_EVERY_MS) return;
    this.#lookedAt = wall;
    const alarms = this.view();
    for (const code of this.#told.keys()) if (!alarms.some((alarm) => alarm.code === code)) this.#told.delete(code);
    for (const { code, level, endsAt, message, fix } of alarms) {
      const told = this.#told.get(code);
      const isWorse = told === undefined || level < told.level;
      if (!isWorse && now - told.at < TELL_EVERY_MS) continue;
      this.#told.set(code, { at: now, level });
      log.warn(message, { endsAt, fix });
      if (!isWorse) continue;
      await this.#audit({ certificate: code, endsAt, message }).catch((err: unknown) =>
        log.warn('the audit log did not take an alarm', { err }),
      );
    }
  }

  #ofCa(): CertificateAlarm | null {
    const { shown, next } = this.#deps.authorities;
    const fix = next === null ? 'palyra daemon rotate-ca' : 'palyra daemon rotate-ca --status';
    return this.#alarm('ca-ending', shown.notAfter, (when) => `the certificate authority of the daemon ${when}`, fix);
  }

  /** One that ends with its CA is not told beside it. */
  #ofServer(): CertificateAlarm | null {
    const { shown, server } = this.#deps.authorities;
    const { notAfter } = readCertificate(server.certificatePem);
    if (notAfter >= shown.notAfter) return null;
    const text = (when: string) => `the server certificate of the daemon ${when}, and could not be renewed`;
    return this.#alarm('server-certificate-ending', notAfter, text, 'palyra daemon logs, then: palyra daemon restart');
  }

  #ofNodes(): CertificateAlarm | null {
    const late = this.#deps.runtime.authorities.lateRenewals();
    const [first] = late;
    if (first === undefined) return null;
    const names = late.slice(0, MAX_NAMES).map(({ name }) => name);
    const others = late.length > names.length ? ` and ${late.length - names.length} more` : '';
    const text = (when: string) =>
      `not renewed in time: the certificate of ${names.join(', ')}${others}; the first ${when}`;
    return this.#alarm('node-certificates-ending', first.endsAt, text, 'Bring them online; there: palyra node renew');
  }

  #alarm(
    code: CertificateAlarm['code'],
    endsAt: number,
    text: (when: string) => string,
    fix: string,
  ): CertificateAlarm | null {
    const leftMs = endsAt - this.#deps.clock.now();
    const level = LEVELS.find((days) => leftMs <= days * DAY_MS);
    if (level === undefined) return null;
    return { code, level, endsAt: toTimestamp(endsAt)!, message: text(words(leftMs)), fix };
  }

  #audit(target: Record<string, string>): Promise<void> {
    return this.#deps.auditor.write({
      action: 'certificate.ending',
      target,
      actor: { kind: 'daemon', name: 'certificates', credential: 'none' },
      origin: { listener: 'internal', address: 'local' },
      outcome: 'ok',
      requestId: null,
    });
  }
}

function words(leftMs: number): string {
  const days = Math.floor(Math.abs(leftMs) / DAY_MS);
  const hours = Math.floor(Math.abs(leftMs) / 3_600_000);
  const long = days > 0 ? `${days} d` : `${hours} h`;
  return leftMs <= 0 ? `ended ${long} ago` : `ends in ${long}`;
}
