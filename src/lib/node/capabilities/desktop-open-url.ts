/**
 * `desktop.open_url`: shows a web page to the person at this machine, who is asked first. http and https only; never with credentials, which would travel to
 * whoever the link says, and which make a host look like another (`https://bank.example@evil.example/`).
 */
import { domainToUnicode } from 'node:url';

import { PalyraError } from '../../base/errors.js';
import type { JsonValue } from '../../base/model.js';
import { matchesSite, parseSitePattern, siteOf } from '../site-pattern.js';
import type { CapabilityDefinition } from './capability.js';
import type { ConsentRules } from './consent.js';
import type { Opener } from './opener.js';

/** Longer ones do not fit where a person would read them, and no browser needs them. */
const MAX_URL_LENGTH = 2_048;

export const urlConsent: ConsentRules = {
  verb: 'Open',
  scope: 'this site',
  check: (input) => void urlOf(input),
  subject: (input) => {
    const url = urlOf(input);
    const unicode = domainToUnicode(url.hostname);
    const notes = [
      ...(url.hostname.includes('xn--')
        ? [`the host reads ${unicode} in other letters; they may only look like a name you know`]
        : []),
      ...(url.protocol === 'http:' ? ['not encrypted: others on the way can read and change the page'] : []),
    ];
    return { text: url.href, emphasis: url.host, notes, pattern: siteOf(url) };
  },
  toPattern: (text) => {
    parseSitePattern(text);
    return text;
  },
  matches: (pattern, input) => matchesSite(parseSitePattern(pattern), urlOf(input)),
};

export function desktopOpenUrl(opener: Opener | null): CapabilityDefinition {
  return {
    name: 'desktop.open_url',
    version: '1.0.0',
    summary: 'Opens a web page in the browser of the person at this machine, who is asked first',
    inputSchema: {
      type: 'object',
      required: ['url'],
      additionalProperties: false,
      properties: {
        url: { type: 'string', maxLength: MAX_URL_LENGTH, description: 'http or https, without user and password' },
      },
    },
    outputSchema: {
      type: 'object',
      required: ['opened'],
      additionalProperties: false,
      properties: { opened: { type: 'string' } },
    },
    sideEffects: 'local',
    mediation: 'ask',
    idempotent: false,
    executionTimeoutMs: 15_000,
    consent: urlConsent,
    available: () => opener !== null,
    run: async ({ input, signal }) => {
      const { href } = urlOf(input);
      await opener!.open(href, signal);
      return { opened: href };
    },
  };
}

/** The URL as it is shown and opened. Throws INPUT_INVALID. */
function urlOf(input: JsonValue): URL {
  const text = (input as { url?: unknown } | null)?.url;
  const refuse = (detail: string) => new PalyraError('INPUT_INVALID', { detail: `url: ${detail}` });
  if (typeof text !== 'string' || text.length > MAX_URL_LENGTH) throw refuse(`at most ${MAX_URL_LENGTH} characters`);
  // The parser drops tabs and line ends and turns backslashes round: what is shown would not be what was asked for.
  if (/[\p{Cc}\p{Cf}\s\\]/u.test(text)) throw refuse('it has spaces, backslashes or invisible characters');
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    throw refuse('it is not a URL');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refuse('only http and https are opened');
  if (url.username !== '' || url.password !== '' || /^https?:\/*[^/?#]*@/i.test(text)) {
    throw refuse('it has a user or a password in it');
  }
  if (url.hostname === '' || url.hostname.length > 253) throw refuse('its host is not a name');
  if (url.href.length > 2 * MAX_URL_LENGTH) throw refuse('it is too long once it is encoded');
  return url;
}
