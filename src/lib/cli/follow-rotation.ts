/**
 * Stands beside a replacement of the CA until it is over, or until nothing more will happen soon: everybody who is there has the new one, or says nothing
 * for long. The daemon goes on by itself.
 */
import { sleep, type Clock } from '../base/clock.js';
import type { ControlPlaneClient } from '../client/control-plane-client.js';
import { holdingSentence, type Rotation } from './rotation-report.js';

const LOOK_EVERY_MS = 200;
/** A node that was told renews within a second or two; one of an older version never does. */
const QUIET_MS = 20_000;

export async function followRotation(
  { client, clock }: { readonly client: Pick<ControlPlaneClient, 'caRotation'>; readonly clock: Clock },
  options: { readonly begun: Rotation; readonly onChange: (sentence: string) => void; readonly signal: AbortSignal },
): Promise<Rotation> {
  let rotation = options.begun;
  let said = '';
  let changedAt = clock.monotonic();
  while (rotation.phase === 'overlap' || rotation.phase === 'retiring') {
    const sentence = holdingSentence(rotation);
    if (rotation.phase === 'overlap' && sentence !== said) {
      options.onChange(sentence);
      said = sentence;
      changedAt = clock.monotonic();
    }
    const { waiting } = rotation.nodes;
    const isKept = waiting.length === 0 && Date.parse(rotation.keepUntil ?? '') > clock.now();
    const nobodyIsThere = waiting.length > 0 && !waiting.some(({ online }) => online);
    const isQuiet = clock.monotonic() - changedAt > QUIET_MS;
    if (rotation.phase === 'overlap' && !rotation.forced && (isKept || nobodyIsThere || isQuiet)) break;
    await sleep(clock, LOOK_EVERY_MS, options.signal).catch(() => undefined);
    if (options.signal.aborted) break;
    rotation = await client.caRotation();
  }
  return rotation;
}
