/**
 * The one place that writes to the terminal. Results go to stdout, everything else (progress, notes, failures) to stderr; colour and
 * movement only where a person is looking.
 */
import { stripVTControlCharacters } from "node:util";

/** One of the two output streams. */
export interface Screen {
  readonly isTerminal: boolean;
  readonly colour: boolean;
  /** Characters of a line; where no terminal is, a width that fits a wide window. */
  readonly columns: number;
  readonly rows: number;
}

export interface Terminal {
  readonly stdout: Screen;
  readonly stderr: Screen;
  /** A result: one or more lines on stdout; the last line end is added. */
  print(text: string): void;
  /** Many lines on stdout, no faster than they are read; ends early when the reader has gone. */
  printAll(lines: Iterable<string>): Promise<void>;
  /** For a person: one or more lines on stderr; the last line end is added. */
  note(text: string): void;
  /** A line on stderr that the next output replaces; undefined takes it away. Nothing happens off a terminal. */
  status(text: string | undefined): void;
  /** Draws lines on stdout in place of what was drawn last. On a terminal only; cut to the height of the window. */
  draw(lines: readonly string[]): void;
  /** Aborts when the reader of stdout has gone: `bursar tree --watch | head -1`. */
  readonly readerLeft: AbortSignal;
}

export interface TerminalOptions {
  /** False takes colour away even on a terminal (NO_COLOR, TERM=dumb). */
  readonly colour: boolean;
  /** Default: those of this process. */
  readonly stdout?: OutputStream;
  readonly stderr?: OutputStream;
}

/** What is used of an output stream. */
export type OutputStream = Pick<NodeJS.WriteStream, "write" | "on" | "isTTY" | "columns" | "rows">;

const COLUMNS_ELSEWHERE = 120;
const ROWS_ELSEWHERE = 50;
const ERASE_LINE = "\r\u001b[2K";
const ERASE_BELOW = "\u001b[J";
const WRAP_OFF = "\u001b[?7l";
const WRAP_ON = "\u001b[?7h";

/** The terminal of this process. */
export function systemTerminal(options: TerminalOptions): Terminal {
  const { colour, stdout = process.stdout, stderr = process.stderr } = options;
  const screens = { stdout: screenOf(stdout, colour), stderr: screenOf(stderr, colour) };
  const left = new AbortController();
  const onError = (failure: NodeJS.ErrnoException): void => {
    // Whoever read has gone, which is their right; any other failure to write leaves nothing to say it on.
    left.abort(failure);
  };
  stdout.on("error", onError);
  stderr.on("error", () => undefined);
  let status: string | undefined;
  let drawnLines = 0;
  const write = (stream: OutputStream, text: string): void => {
    if (status !== undefined) stderr.write(ERASE_LINE);
    stream.write(text);
    if (status !== undefined) stderr.write(status);
  };
  return {
    ...screens,
    print: (text) => write(stdout, `${text}\n`),
    printAll: async (lines) => {
      for (const text of inBlocks(lines)) {
        if (left.signal.aborted) return;
        await new Promise<void>((resolve) => stdout.write(text, () => resolve()));
      }
    },
    note: (text) => write(stderr, `${text}\n`),
    status: (text) => {
      if (!screens.stderr.isTerminal) return;
      const cut = text === undefined ? undefined : cutTo(text, screens.stderr.columns - 1);
      if (cut === undefined && status === undefined) return;
      stderr.write(`${ERASE_LINE}${cut ?? ""}`);
      status = cut;
    },
    draw: (lines) => {
      const height = screens.stdout.rows - 1;
      const shown =
        lines.length <= height ? lines : [...lines.slice(0, height - 1), moreLines(lines.length - height + 1)];
      const back = drawnLines === 0 ? "" : `\u001b[${drawnLines}A`;
      stdout.write(`${back}\r${ERASE_BELOW}${WRAP_OFF}${shown.map((line) => `${line}\n`).join("")}${WRAP_ON}`);
      drawnLines = shown.length;
    },
    readerLeft: left.signal,
  };
}

const BLOCK_CHARS = 64 * 1024;

/** Lines joined into pieces of about 64 Ki characters. */
function* inBlocks(lines: Iterable<string>): Generator<string> {
  let block = "";
  for (const line of lines) {
    block += `${line}\n`;
    if (block.length < BLOCK_CHARS) continue;
    yield block;
    block = "";
  }
  if (block !== "") yield block;
}

function screenOf(stream: OutputStream, colour: boolean): Screen {
  const isTerminal = stream.isTTY === true;
  return {
    isTerminal,
    colour: isTerminal && colour,
    // Read anew each time: the window may change its size.
    get columns() {
      return isTerminal ? stream.columns || COLUMNS_ELSEWHERE : COLUMNS_ELSEWHERE;
    },
    get rows() {
      return isTerminal ? stream.rows || ROWS_ELSEWHERE : ROWS_ELSEWHERE;
    },
  };
}

const moreLines = (count: number): string =>
  `… ${count} more lines; make the window taller, or name a part of the tree`;

function cutTo(text: string, columns: number): string {
  const bare = stripVTControlCharacters(text);
  return bare.length <= columns ? text : `${bare.slice(0, Math.max(1, columns) - 1)}…`;
}
