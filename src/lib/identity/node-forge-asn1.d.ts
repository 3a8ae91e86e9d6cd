/** The ASN.1 part of node-forge without the rest of it: a fifth of the import time, and none of the parsers and ciphers that are not wanted here. */
declare module 'node-forge/lib/asn1.js' {
  import { asn1 } from 'node-forge';
  export default asn1;
}
