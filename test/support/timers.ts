/** By so many milliseconds, on a busy machine, a timer may seem to fire too soon: Node counts from the beginning of the turn of the event loop that set it. */
export const TIMER_EARLY_MS = 100;
