/** The steps of `palyra login` behind the words: look at the daemon, decide on its identity, prove who we are in one of three ways, keep what came of it. */
import { hostname } from 'node:os';
import { systemClock } from '../base/clock.js';
import { PalyraError } from '../base/errors.js';
import type { ProxySettings } from '../base/proxy.js';
import { formatPin } from '../base/pairing-pin.js';
import { systemRandom } from '../base/random.js';
import { ControlPlaneClient, type WhoAmI } from '../client/control-plane-client.js';
import { CookieJar } from '../client/cookies.js';
import { readDaemonIdentity } from '../client/daemon-identity.js';
import { logInByApproval, type LoginAsking } from '../client/login-by-approval.js';
import { shortRequestId } from './approval-report.js';
import type { Contexts } from './contexts.js';
import { contextNameFor, LOCAL, parseContextName, type DaemonAddress } from './daemon-address.js';
import { decideTrust, type Trust } from './daemon-trust.js';
import { longDuration } from './durations.js';
import { humanFingerprintOf } from './fingerprint.js';
import type { Output } from './output.js';
import { throughProxy } from './proxy.js';
import { StatusLine } from './status-line.js';
import { writeCredential } from './stored-credentials.js';

export type Proof =
  | { readonly by: 'approval'; readonly operator: string | null }
  | { readonly by: 'password'; readonly operator: string; readonly password: string }
  | { readonly by: 'token'; readonly token: string };

export interface LoginJob {
  readonly address: DaemonAddress;
  readonly name: string;
  readonly trust: Trust;
  readonly version: string;
  readonly requestTimeoutMs: number;
  /** How long to wait for a person. */
  readonly waitMs: number;
  readonly signal: AbortSignal;
}

export interface LoggedIn {
  readonly who: WhoAmI;
  readonly credentialsFile: string;
}

const REACH_MS = 10_000;

/** The name the context will have. Throws USAGE_INVALID when it belongs to another daemon. */
export function chooseName(contexts: Contexts, address: DaemonAddress, wanted: string | undefined): string {
  if (wanted === undefined) {
    return contexts.findByUrl(address.url)?.name ?? contextNameFor(address, (name) => contexts.has(name));
  }
  const name = parseContextName(wanted);
  if (name === LOCAL) throw new PalyraError('USAGE_INVALID', { detail: '"local" is the daemon of this machine' });
  if (contexts.has(name) && contexts.get(name).url !== address.url) {
    throw new PalyraError('USAGE_INVALID', {
      detail: `the context "${name}" is ${contexts.get(name).url}`,
      hint: `Choose another name, or remove it first: palyra context remove ${name}`,
    });
  }
  return name;
}

/** Looks at the daemon without sending anything, and settles whom it is trusted to be. */
export async function reachDaemon(
  contexts: Contexts,
  o: { address: DaemonAddress; name: string; wanted: string | null; proxy: ProxySettings; signal: AbortSignal },
): Promise<Trust> {
  const { address, name, wanted, signal } = o;
  const { proxy } = throughProxy(address.url, o.proxy);
  const shown = await readDaemonIdentity({
    host: address.host,
    port: address.port,
    proxy,
    timeoutMs: REACH_MS,
    signal,
  });
  // The address counts, not the name: a second context of one daemon trusts what the first does.
  const record = contexts.findByUrl(address.url)?.record;
  // What the daemon said of its next CA, over a connection that its present one authenticates, counts as much.
  const next = record?.nextCaPem;
  const isNext = next !== undefined && shown !== null && humanFingerprintOf(next) === humanFingerprintOf(shown.caPem);
  const known = isNext ? next : record?.caPem;
  return decideTrust({ context: name, url: address.url, shown, wanted: wanted ?? address.caFingerprint, known });
}

/** Proves who we are, checks it with the daemon, writes credential and context, in this order: a context never names a credential that is not there. */
export async function logIn(contexts: Contexts, job: LoginJob, proof: Proof, desk: LoginDesk): Promise<LoggedIn> {
  const { url } = job.address;
  const { caPem } = job.trust;
  const client = new ControlPlaneClient({
    baseUrl: url,
    requestTimeoutMs: job.requestTimeoutMs,
    ...(caPem === null ? {} : { ca: caPem }),
    ...(proof.by === 'token' ? { token: proof.token } : { cookieJar: new CookieJar() }),
    ...throughProxy(url, desk.proxy),
  });
  try {
    await prove(client, job, proof, desk);
    const who = await client.getSession();
    const cookies = await client.exportCookies();
    if (proof.by !== 'token' && cookies === null) {
      throw new PalyraError('ANSWER_INVALID', { detail: 'it began a session without a cookie' });
    }
    const credentialsFile = await writeCredential(
      desk.credentials,
      job.name,
      proof.by === 'token' || cookies === null
        ? { kind: 'token', token: proof.by === 'token' ? proof.token : '' }
        : { kind: 'session', cookies },
    );
    const addedAt = new Date(systemClock.now()).toISOString();
    contexts.put(job.name, { url, caPem, operator: who.operator, role: who.role, addedAt });
    contexts.use(job.name);
    await contexts.save();
    return { who, credentialsFile };
  } finally {
    await client.close();
  }
}

export interface LoginDesk {
  readonly output: Output;
  readonly credentials: string;
  readonly proxy: ProxySettings;
}

async function prove(client: ControlPlaneClient, job: LoginJob, proof: Proof, { output }: LoginDesk): Promise<void> {
  if (proof.by === 'token') return;
  if (proof.by === 'password') {
    const { operator, password } = proof;
    await client.login({
      operator,
      password,
      kind: 'cli',
      client: `palyra ${job.version} on ${hostname()}`.slice(0, 120),
    });
    return;
  }
  if (job.trust.caPem === null) {
    throw new PalyraError('USAGE_INVALID', {
      detail: 'something stands in front of this daemon, and a PIN would not be the same on both sides',
      hint: 'Log in with a token or a password: --token-file, --password-stdin',
    });
  }
  const line = new StatusLine(output, { enabled: process.stderr.isTTY && !output.quiet && !output.json });
  try {
    await logInByApproval(
      client,
      { clock: systemClock, random: systemRandom },
      {
        operator: proof.operator,
        client: { hostname: hostname(), platform: process.platform, arch: process.arch, version: job.version },
        signal: job.signal,
        timeoutMs: job.waitMs,
        onAsking: (asking) => tellAsking(output, line, job.address.url, asking),
      },
    );
  } finally {
    line.stop();
  }
}

/** The PIN, big, and what the person at the daemon types. */
function tellAsking(output: Output, line: StatusLine, url: string, { requestId, pin, expiresAt }: LoginAsking): void {
  const id = shortRequestId(requestId);
  const left = longDuration(Math.max(0, Date.parse(expiresAt) - systemClock.now()));
  output.say(`\n        PIN   ${formatPin(pin)}\n`);
  output.say(`  Approve where the daemon is:   palyra approvals approve ${id}       (it will ask for the PIN)`);
  output.say(`  or open there:                 ${url}/a/${id}`);
  if (process.stderr.isTTY) line.show(`Waiting for a person to approve ${id}, ${left} at most. Ctrl-C to stop.`);
  else output.say(`⠋ Waiting for a person to approve ${requestId}, ${left} at most. Ctrl-C to stop.`);
}
