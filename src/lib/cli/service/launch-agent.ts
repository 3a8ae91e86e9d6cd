/** The LaunchAgent of a service as text. Source: launchd.plist(5). */
import type { ServiceSpec } from './service-spec.js';
import { xmlText } from './xml.js';

/** launchd waits at least this long between two starts. */
const THROTTLE_SECONDS = 10;
/** Until SIGKILL after SIGTERM. */
const EXIT_SECONDS = 45;

export function launchLabel(spec: ServiceSpec): string {
  return `dev.palyra.${spec.name.slice('palyra-'.length)}`;
}

/**
 * Starts at login and again after a failure. launchd cannot be told that exit code 78 is final, so the wrapper ends with 0 instead (`wrapper-sh.ts`).
 * A person may use the desktop of this session, hence no `ProcessType`: a background process would be throttled.
 */
export function launchAgent(spec: ServiceSpec): string {
  const entries = [
    ['Label', string(launchLabel(spec))],
    ['ProgramArguments', `<array>\n    ${string(spec.wrapper)}\n  </array>`],
    ['RunAtLoad', '<true/>'],
    ['KeepAlive', '<dict>\n    <key>SuccessfulExit</key>\n    <false/>\n  </dict>'],
    ['ThrottleInterval', `<integer>${THROTTLE_SECONDS}</integer>`],
    ['ExitTimeOut', `<integer>${EXIT_SECONDS}</integer>`],
    ['Umask', '<integer>63</integer>'],
    ['StandardErrorPath', string(spec.log)],
  ];
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">',
    '<plist version="1.0">',
    '<dict>',
    ...entries.map(([key, value]) => `  <key>${key}</key>\n  ${value}`),
    '</dict>',
    '</plist>',
    '',
  ].join('\n');
}

function string(text: string): string {
  return `<string>${xmlText(text)}</string>`;
}
