/**
 * The doors through which machines and remote clients come in: the public port, the node port, and QUIC beside it. Made from the identity as it is now; what
 * they show follows the exposure.
 */
import type { Clock } from '../base/clock.js';
import type { Lifecycle } from '../base/lifecycle.js';
import type { Log } from '../base/log.js';
import type { Random } from '../base/random.js';
import type { NodeRuntime } from '../runtime/runtime.js';
import type { Auditor } from './auditor.js';
import type { Authorities } from './authorities.js';
import { advertisedHosts, toAuthority, type DaemonConfig } from './config.js';
import { DeviceDenials } from './device-denials.js';
import type { Exposure } from './exposure.js';
import type { Router } from './http/router.js';
import type { NodePlugins } from './node-plugins.js';
import { NodePort } from './node-port.js';
import { PairingDesk } from './pairing-desk.js';
import { PublicPort } from './public-port.js';
import { withQuic } from './quic/beside.js';
import { QuicPort } from './quic/port.js';
import { RenewalDesk } from './renewal-desk.js';

export interface PortDeps {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Log;
  readonly runtime: NodeRuntime;
  readonly router: Router;
  readonly auditor: Auditor;
  readonly exposure: Exposure;
  readonly authorities: Authorities;
  readonly plugins: NodePlugins;
  /** What is opened here is closed by it. */
  readonly lifecycle: Lifecycle;
}

export interface OpenPorts {
  readonly quicPort: QuicPort;
  /** About once a second. */
  look(serving: boolean): void;
}

/** Listening when it resolves. Throws PORT_IN_USE or ADDRESS_UNAVAILABLE. */
export async function openPorts(deps: PortDeps, config: DaemonConfig): Promise<OpenPorts> {
  const { clock, random, log, runtime, router, auditor, exposure, authorities, plugins, lifecycle } = deps;
  const { server } = authorities;
  const fingerprints = () => authorities.fingerprints;
  const daemon = { name: config.daemonName, version: config.version };
  const desk = new PairingDesk({ runtime, clock, random }, fingerprints);
  const trust = {
    trustBundle: () => authorities.trustBundle,
    nodeEndpoints: () => advertisedHosts(exposure).map((host) => toAuthority(host, exposure.port('node-rpc'))),
  };
  const renewals = new RenewalDesk({ runtime, auditor, clock }, trust, fingerprints);
  const publicPort = new PublicPort(
    { clock, log: log.scope('pairing'), router, desk, renewals, auditor, runtime },
    { keyPem: server.keyPem, certificatePem: server.certificatePem },
    { ...daemon, ...trust },
    () => exposure.hostNames,
  );
  lifecycle.add('public port', () => publicPort.close());
  const denials = new DeviceDenials({ clock, log: log.scope('node') });
  const nodePort = new NodePort({ clock, log: log.scope('node'), plugins, runtime, renewals, denials }, server, daemon);
  lifecycle.add('node port', () => nodePort.close());
  const quicPort = new QuicPort({ clock, random, log: log.scope('quic'), plugins, runtime, denials }, server, {
    daemon,
    quic: config.quic,
  });
  lifecycle.add('QUIC port', () => quicPort.close());
  await exposure.open('public', publicPort.front, config.port, '--port');
  await exposure.open('node-rpc', withQuic(nodePort.front, quicPort), config.nodePort, '--node-port');
  return {
    quicPort,
    look: (serving) => {
      publicPort.health.setServing(serving);
      nodePort.health.setServing(serving);
      desk.sweep();
      nodePort.devices.closeExpired(clock.now());
      quicPort.closeExpired(clock.now());
    },
  };
}
