/**
 * The daemon's CA as everything that runs sees it: the one that is shown, and while it is replaced the one that takes over. Set anew whenever the identity on
 * disk was read; nobody keeps what this answers.
 */
import { PalyraError } from '../base/errors.js';
import type { Random } from '../base/random.js';
import type { Authority } from '../identity/authority.js';
import { readCertificate } from '../identity/certificate.js';
import type { DaemonIdentity } from '../identity/material.js';
import type { CertificateIssuer } from '../runtime/runtime.js';
import type { ServerCertificate } from './exposure.js';
import type { DaemonFingerprints } from './pairing-desk.js';

export class Authorities {
  #identity: DaemonIdentity | null = null;
  #fingerprints: DaemonFingerprints = { caSpkiSha256: '', serverCertificateSha256: '' };

  set(identity: DaemonIdentity): void {
    this.#identity = identity;
    const { authority, server } = identity;
    const { fingerprint: serverCertificateSha256 } = readCertificate(server.certificatePem);
    this.#fingerprints = { caSpkiSha256: authority.spkiSha256, serverCertificateSha256 };
  }

  /** The one that made the server certificate; pinned by links and contexts. */
  get shown(): Authority {
    return this.#read.authority;
  }

  /** Null unless it is replaced now. */
  get next(): Authority | null {
    return this.#read.next;
  }

  /** Makes the certificates of nodes. */
  get signer(): Authority {
    return this.next ?? this.shown;
  }

  /** For the header by which clients learn it: base64 of its DER. */
  get nextForClients(): string | null {
    return this.next === null ? null : this.next.certificatePem.replace(/-----[^-]+-----|\s/g, '');
  }

  get fingerprints(): DaemonFingerprints {
    return this.#fingerprints;
  }

  /** PEM, what nodes are to trust; the signer first. */
  get trustBundle(): readonly string[] {
    const { authority, next } = this.#read;
    return next === null ? [authority.certificatePem] : [next.certificatePem, authority.certificatePem];
  }

  /** What the doors show and whose client certificates they let in. Leaf and CA: a joining node compares the CA with the fingerprint in its link. */
  get server(): ServerCertificate {
    const { server, authority } = this.#read;
    const certificatePem = `${server.certificatePem.trimEnd()}\n${authority.certificatePem}`;
    return { keyPem: server.keyPem, certificatePem, clientCaPem: this.trustBundle.join('\n') };
  }

  issuer(options: { readonly lifetimeMs: number; readonly random: Random }): CertificateIssuer {
    return {
      issueNode: (request) => {
        const { signer } = this;
        return { ...signer.issueNode({ ...request, ...options }), issuer: signer.spkiSha256 };
      },
    };
  }

  get #read(): DaemonIdentity {
    if (this.#identity === null) throw new PalyraError('INTERNAL', { detail: 'the identity was not read yet' });
    return this.#identity;
  }
}
