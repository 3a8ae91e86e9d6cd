/** Makes keys and looks into each at once, as often as it is told to: for a test that waits for its end. */
import { createPublicKey } from 'node:crypto';
import { createDeviceKey, uncompressedPoint } from '../../src/lib/identity/device-key.js';

for (let count = Number(process.argv[2]); count > 0; count--) {
  const key = createPublicKey(createDeviceKey());
  if (key.asymmetricKeyDetails?.namedCurve === undefined || uncompressedPoint(key).length !== 65) process.exit(1);
}
