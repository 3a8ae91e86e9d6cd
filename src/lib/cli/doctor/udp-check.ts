/** Whether datagrams reach the daemon. Links over QUIC need it; the links of today are TCP, so there is nothing to reach yet and the check says so. */
import type { Check } from './check.js';

export function udpCheck(): Check {
  return {
    id: 'network.udp',
    run: async () => ({ status: 'skip', detail: 'links run over TCP in this version, so no datagrams are needed' }),
  };
}
