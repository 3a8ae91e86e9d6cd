/**
 * Ctrl-C and SIGTERM: the first asks politely through an AbortSignal, the second ends the process at once.
 * Exit codes are the shells' own: 128 plus the number of the signal.
 */
export interface StopRequest {
  /** Aborts on the first signal. */
  readonly signal: AbortSignal;
  /** 130 or 143 after a signal, else null. */
  exitCode(): number | null;
  /** Removes the listeners; afterwards signals act as usual. */
  dispose(): void;
}

const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

export function listenForStop(onFirst?: (signal: keyof typeof CODES) => void): StopRequest {
  const controller = new AbortController();
  let code: number | null = null;
  const listeners = (Object.keys(CODES) as (keyof typeof CODES)[]).map((name) => {
    const listener = () => {
      if (code !== null) process.exit(CODES[name]);
      code = CODES[name];
      onFirst?.(name);
      controller.abort();
    };
    process.on(name, listener);
    return { name, listener };
  });
  return {
    signal: controller.signal,
    exitCode: () => code,
    dispose: () => {
      for (const { name, listener } of listeners) process.removeListener(name, listener);
    },
  };
}
