/** The last line of defence for logs: a field whose name says secret is never written, and the code in an invite's path never appears. */
const SECRET_NAME =
  /^(?:code|token|key|password|secret|cookie|authorization|pem|proof|link|input)$|(?<!status|exit|error|grpc)(?:Code|Token|Key|Password|Secret|Cookie|Pem|Proof|Link)$/;
const INVITE_PATH = /\/j\/[0-9a-z-]{8,}/gi;
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)/g;
/** The user part of a URL; a proxy's holds its password. */
const URL_CREDENTIALS = /(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/?#@]+@/gi;
const MAX_DEPTH = 6;

export const REDACTED = '[redacted]';

/** A copy without secrets. Deep structures are cut: a log is no archive. */
export function redact(value: unknown, depth = 0): unknown {
  if (typeof value === 'string') return redactText(value);
  if (typeof value !== 'object' || value === null) return typeof value === 'bigint' ? String(value) : value;
  if (depth >= MAX_DEPTH) return '[…]';
  if (Array.isArray(value)) return value.map((item) => redact(item, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, SECRET_NAME.test(name) ? REDACTED : redact(inner, depth + 1)]),
  );
}

export function redactText(text: string): string {
  return text.replace(INVITE_PATH, '/j/…').replace(PRIVATE_KEY, REDACTED).replace(URL_CREDENTIALS, '$1…@');
}
