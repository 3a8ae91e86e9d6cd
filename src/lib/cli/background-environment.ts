/**
 * The environment of a process that goes on without the shell that started it: a service where no service manager is, and a daemon in the background.
 *
 * It is made of names that are listed here and of no others. A shell holds tokens, cloud keys and proxies with their passwords, and whatever a long-lived process
 * is given stands in its environment for everybody who may look, and reaches plugins and programs that it starts. Proxies belong in config.toml.
 */
import { isAbsolute, resolve } from 'node:path';
import type { Environment } from './environment.js';

/** Who and where, the language and the clock, the session for windows, and what Node itself reads. */
const NAMES: readonly string[] = [
  ...['HOME', 'USER', 'LOGNAME', 'SHELL', 'PATH', 'TMPDIR', 'LANG', 'LANGUAGE', 'TZ', 'TZDIR'],
  ...['DISPLAY', 'WAYLAND_DISPLAY', 'XAUTHORITY', 'DBUS_SESSION_BUS_ADDRESS', 'DESKTOP_SESSION'],
  ...['NODE_EXTRA_CA_CERTS', 'NODE_OPTIONS', 'SSL_CERT_FILE', 'SSL_CERT_DIR'],
  // Where version switchers keep Node: the wrapper looks there.
  ...['NVM_DIR', 'FNM_DIR'],
  ...['PALYRA_HOME', 'PALYRA_CONFIG', 'PALYRA_CAPABILITY_MODULES', 'PALYRA_NODE_NAME', 'PALYRA_NO_PLUGINS'],
  ...['PALYRA_LOG_FORMAT', 'PALYRA_LOG_LEVEL', 'PALYRA_TRANSPORT'],
];

/** Without these no program starts on Windows, or it does not find its user. */
const WINDOWS_NAMES: readonly string[] = [
  ...['SYSTEMROOT', 'SYSTEMDRIVE', 'WINDIR', 'COMSPEC', 'PATHEXT', 'TEMP', 'TMP', 'OS'],
  ...['USERPROFILE', 'USERNAME', 'USERDOMAIN', 'HOMEDRIVE', 'HOMEPATH', 'APPDATA', 'LOCALAPPDATA', 'PROGRAMDATA'],
  ...['ALLUSERSPROFILE', 'PROGRAMFILES', 'PROGRAMFILES(X86)', 'COMMONPROGRAMFILES', 'COMPUTERNAME'],
  ...['PROCESSOR_ARCHITECTURE', 'NUMBER_OF_PROCESSORS'],
];

/** The base directory specification names them all like this, and the locale of POSIX too. */
const PREFIXES: readonly string[] = ['XDG_', 'LC_'];

export function backgroundEnvironment(
  env: Environment,
  { platform, cwd }: { readonly platform: NodeJS.Platform; readonly cwd: string },
): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(env)) {
    // Windows does not tell upper from lower case.
    const known = platform === 'win32' ? name.toUpperCase() : name;
    const isListed = NAMES.includes(known) || (platform === 'win32' && WINDOWS_NAMES.includes(known));
    if (value !== undefined && (isListed || PREFIXES.some((prefix) => known.startsWith(prefix)))) kept[name] = value;
  }
  // It works in another directory than the shell, which a relative path was meant for.
  for (const name of ['PALYRA_HOME', 'PALYRA_CONFIG']) {
    const path = kept[name];
    if (path !== undefined && path !== '' && !isAbsolute(path)) kept[name] = resolve(cwd, path);
  }
  return kept;
}
