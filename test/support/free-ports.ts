/**
 * Ports for a daemon that will be started again where it was. One that the system gives out for 0 is in the range from which it gives out ports to everybody:
 * while the daemon is away, another connection may take it.
 */
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { randomInt } from 'node:crypto';

/** Below the ranges of Linux (32768), macOS and Windows (49152), above what services of a machine use. */
const [FIRST, END] = [20_000, 32_768];

/**
 * Each lane of `npm test` has a share of its own, and takes one port after the other: none is given to a second daemon while the first one is only away.
 * Somebody else's daemon there would be found by its nodes, which try it but every half minute then.
 */
const [lane, lanes] = (process.env['PALYRA_TEST_LANE'] ?? '0/1').split('/').map(Number) as [number, number];
const SHARE = Math.floor((END - FIRST) / lanes);
/** Anywhere in it, for there may be other runs on this machine. */
let taken = randomInt(SHARE);

/** Different ones, which nobody has now, over TCP and UDP on loopback. */
export async function freePorts(count: number): Promise<number[]> {
  const found: number[] = [];
  while (found.length < count) {
    const port = FIRST + lane * SHARE + (taken++ % SHARE);
    if (await isFree(port)) found.push(port);
  }
  return found;
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  const socket = createSocket('udp4');
  try {
    await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, '127.0.0.1', resolve));
    await new Promise<void>((resolve, reject) => socket.once('error', reject).bind(port, '127.0.0.1', resolve));
    return true;
  } catch {
    return false;
  } finally {
    await Promise.all([
      new Promise((resolve) => (server.listening ? server.close(resolve) : resolve(null))),
      new Promise<void>((resolve) => socket.close(resolve)),
    ]);
  }
}
