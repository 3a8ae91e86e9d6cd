/** Finds a secret in bytes however it was written down: as it is, dashed, in another case, in hex, in base64 at any alignment, URL-safe or not. */
import { createPrivateKey } from 'node:crypto';
import { lstatSync, readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

export interface Secret {
  readonly name: string;
  readonly spellings: readonly Buffer[];
}

/** An invite's code, as it is shown: `K7QF-2M9D-4TXW`. */
export function codeSecret(name: string, code: string): Secret {
  const plain = code.replaceAll('-', '');
  const texts = [plain, code, plain.match(/.{4}/g)!.join(' ')];
  return textSecret(name, [...texts, ...texts.map((text) => text.toLowerCase())]);
}

export function textSecret(name: string, texts: readonly string[]): Secret {
  return { name, spellings: texts.flatMap((text) => bytesSpelt(Buffer.from(text))) };
}

export function bytesSecret(name: string, bytes: Buffer): Secret {
  return { name, spellings: bytesSpelt(bytes) };
}

/** A P-256 key as PKCS #8: its private number, the lines of the PEM that hold a part of it, and the PEM without line ends. */
export function privateKeySecret(name: string, pem: string): Secret {
  const lines = pem.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
  const { d } = createPrivateKey(pem).export({ format: 'jwk' });
  // The number ends in the second of three lines; what follows is the public key, which is in every certificate.
  const texts = [...lines.slice(0, 2), lines.join('')].map((text) => Buffer.from(text));
  return { name, spellings: [...texts, ...bytesSpelt(Buffer.from(d!, 'base64url'))] };
}

/** The names of the secrets that are in there. */
export function secretsIn(bytes: Buffer, secrets: readonly Secret[]): string[] {
  return secrets
    .filter(({ spellings }) => spellings.some((spelling) => bytes.includes(spelling)))
    .map(({ name }) => name);
}

/** `file: secret` for every find in every file below a directory, but for the files that are excused. Sockets and links have no content. */
export function secretsBelow(
  directory: string,
  secrets: readonly Secret[],
  isExcused: (path: string) => boolean = () => false,
): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .map((name) => join(directory, name))
    .filter((path) => lstatSync(path).isFile() && !isExcused(path))
    .flatMap((path) =>
      [...secretsIn(readFileSync(path), secrets), ...secretsIn(Buffer.from(path), secrets)].map(
        (name) => `${relative(directory, path)}: ${name}`,
      ),
    );
}

function bytesSpelt(bytes: Buffer): Buffer[] {
  const hex = bytes.toString('hex');
  const base64 = [0, 1, 2].map((offset) => alignedBase64(bytes, offset));
  const urlSafe = base64.map((text) => text.replaceAll('+', '-').replaceAll('/', '_'));
  return [bytes, ...[hex, hex.toUpperCase(), ...base64, ...urlSafe].map((text) => Buffer.from(text))];
}

/** What of the base64 text is the same whatever stands before and after: characters that hold bits of a neighbour are left out. */
function alignedBase64(bytes: Buffer, offset: number): string {
  const text = Buffer.concat([Buffer.alloc(offset), bytes])
    .toString('base64')
    .replaceAll('=', '');
  const from = Math.ceil((offset * 8) / 6);
  const to = Math.floor(((offset + bytes.length) * 8) / 6);
  return text.slice(from, to);
}
