/**
 * Ink, kept to one job: laying out lines of text that carry their own colours. Ink is told that it writes to a stream that is no terminal and hands over
 * whole frames there (`debug`), so that everything it does to a terminal by itself (clearing scroll-back when a frame is tall, hiding cursors, reading
 * keys, listening to signals of the window) does not happen.
 */
import { Box, render, Text, type RenderOptions } from 'ink';

export interface FrameLayout {
  /** The rows of a frame after layout. */
  layOut(lines: readonly string[], columns: number): readonly string[];
  close(): void;
}

function Lines({ lines }: { readonly lines: readonly string[] }) {
  return (
    <Box flexDirection="column">
      {lines.map((text, index) => (
        <Box key={index} height={1}>
          <Text wrap="truncate-end">{text}</Text>
        </Box>
      ))}
    </Box>
  );
}

export function createFrameLayout(): FrameLayout {
  let written = '';
  let columns = 80;
  const nothing = () => sink;
  const sink = {
    isTTY: false,
    get columns() {
      return columns;
    },
    write(text: string) {
      written = text;
      return true;
    },
    ...{ on: nothing, once: nothing, off: nothing, removeListener: nothing, addListener: nothing },
  };
  const options = {
    stdout: sink,
    stderr: sink,
    stdin: { isTTY: false, on: nothing, off: nothing },
    ...{ debug: true, patchConsole: false, exitOnCtrlC: false, isScreenReaderEnabled: false },
  } as unknown as RenderOptions;
  const instance = render(<Lines lines={[]} />, options);
  return {
    layOut(lines, width) {
      columns = width;
      instance.rerender(<Lines lines={lines} />);
      return written.split('\n');
    },
    close: () => instance.unmount(),
  };
}
