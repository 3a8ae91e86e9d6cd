/** Reasons of a proxy between this machine and a daemon. None of them says anything about the daemon itself. */
import { reasons } from './reason-row.js';

export const PROXY_REASONS = reasons({
  PROXY_UNREACHABLE: {
    code: 'UNAVAILABLE',
    title: 'The proxy cannot be reached',
    hint: 'Check HTTPS_PROXY and network.https_proxy; if the daemon needs no proxy: palyra config set network.no_proxy <host>',
    retrySafe: true,
  },
  PROXY_REFUSED: {
    code: 'UNAVAILABLE',
    title: 'The proxy does not let this machine through to the daemon',
    hint: 'Ask who runs the proxy to allow CONNECT to the ports of the daemon; if the daemon needs no proxy: palyra config set network.no_proxy <host>',
    retrySafe: true,
  },
  PROXY_LOGIN_REQUIRED: {
    code: 'UNAVAILABLE',
    title: 'The proxy wants a name and a password, or others than it was given',
    hint: 'Put them into the address of the proxy, http://name:password@host:port, in HTTPS_PROXY or with: palyra config edit',
    retrySafe: true,
  },
  PROXY_ANSWER_INVALID: {
    code: 'UNAVAILABLE',
    title: 'What answers there is not an HTTP proxy',
    hint: 'Check host, port and scheme (http or https) in HTTPS_PROXY and network.https_proxy',
    retrySafe: true,
  },
  PROXY_UNUSABLE: {
    code: 'FAILED_PRECONDITION',
    exit: 78,
    title: 'The proxy that is set cannot be used',
    hint: 'palyra uses proxies like http://host:port or https://host:port; correct HTTPS_PROXY, ALL_PROXY or network.https_proxy',
  },
});
