/** A context or an address as something to connect to: the CA that is trusted, the credential, the proxy. Loaded only when there is a context or an address. */
import { readFile } from 'node:fs/promises';
import { PalyraError } from '../base/errors.js';
import { CookieJar } from '../client/cookies.js';
import { Contexts, type ContextRecord } from './contexts.js';
import { LOCAL, parseDaemonAddress } from './daemon-address.js';
import type { Directories } from './directories.js';
import { takeVariable } from './environment.js';
import { readProxySettings, throughProxy } from './proxy.js';
import { readCredential } from './stored-credentials.js';
import { localTarget, type Choice, type Target } from './target.js';

const MAX_TOKEN_BYTES = 4096;

export async function remoteTarget(
  choice: Choice | null,
  directories: Directories,
  env: NodeJS.ProcessEnv,
): Promise<Target> {
  const contexts = await Contexts.read(directories.config);
  const proxy = () => readProxySettings(directories, env);
  const source = choice?.source ?? 'current context';
  if (source === '--daemon' || source === 'PALYRA_DAEMON') {
    const address = parseDaemonAddress(choice?.word ?? '');
    const known = contexts.findByUrl(address.url);
    const trust =
      address.caFingerprint !== null
        ? { caFingerprint: address.caFingerprint }
        : known === null
          ? {}
          : trustOf(known.record);
    const { credential, ...secret } = await credentialOf(known?.name ?? null, directories, env);
    const options = { baseUrl: address.url, ...trust, ...secret, ...throughProxy(address.url, await proxy()) };
    return { context: known?.name ?? null, source, url: address.url, credential, options };
  }
  const name = (choice?.word ?? contexts.current)?.toLowerCase() ?? null;
  if (name === null) return localTarget(directories);
  if (name === LOCAL) return localTarget(directories, source);
  const record = contexts.get(name);
  const { url } = record;
  const { credential, ...secret } = await credentialOf(name, directories, env);
  return {
    context: name,
    source,
    url,
    credential,
    options: { baseUrl: url, ...trustOf(record), ...secret, ...throughProxy(url, await proxy()) },
  };
}

/** While a daemon replaces its CA, either of both. */
function trustOf({ caPem, nextCaPem }: ContextRecord): { readonly ca?: string } {
  if (caPem === null) return {};
  return { ca: nextCaPem === undefined ? caPem : `${caPem.trimEnd()}\n${nextCaPem}` };
}

/** The token of PALYRA_TOKEN or PALYRA_TOKEN_FILE, taken out of our environment; null without either. */
export async function environmentToken(
  env: NodeJS.ProcessEnv,
): Promise<{ readonly token: string; readonly credential: 'PALYRA_TOKEN' | 'PALYRA_TOKEN_FILE' } | null> {
  const token = takeVariable('PALYRA_TOKEN', env);
  const file = takeVariable('PALYRA_TOKEN_FILE', env);
  if (token !== undefined) return { token: checkToken(token, 'PALYRA_TOKEN'), credential: 'PALYRA_TOKEN' };
  return file === undefined ? null : { token: await readTokenFile(file), credential: 'PALYRA_TOKEN_FILE' };
}

/** The first line. Throws USAGE_INVALID without repeating it. */
export async function readTokenFile(path: string): Promise<string> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new PalyraError('USAGE_INVALID', { detail: `cannot read the token file ${path}`, cause: error });
  }
  return checkToken(text.slice(0, MAX_TOKEN_BYTES).split('\n')[0] ?? '', path);
}

function checkToken(text: string, where: string): string {
  const token = text.trim();
  // It goes into a header: nothing but letters that belong there.
  if (!/^[\x21-\x7e]{1,200}$/.test(token))
    throw new PalyraError('USAGE_INVALID', { detail: `${where} holds no token` });
  return token;
}

async function credentialOf(
  context: string | null,
  directories: Directories,
  env: NodeJS.ProcessEnv,
): Promise<{ credential: Target['credential']; token?: string; cookieJar?: CookieJar }> {
  const fromEnvironment = await environmentToken(env);
  if (fromEnvironment !== null) return fromEnvironment;
  const stored = context === null ? null : await readCredential(directories.credentials, context);
  if (stored === null) return { credential: 'none' };
  return stored.kind === 'token'
    ? { credential: 'token', token: stored.token }
    : { credential: 'session', cookieJar: new CookieJar(stored.cookies) };
}
