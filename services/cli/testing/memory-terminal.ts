/** A terminal for tests: keeps what was written. */
import type { Screen, Terminal } from "../terminal.ts";

export interface MemoryTerminal extends Terminal {
  /** Everything printed so far. */
  readonly out: () => string;
  /** Everything noted so far. */
  readonly err: () => string;
  /** Resolves when `text` has been noted or printed. */
  readonly says: (text: string) => Promise<void>;
  /** The pictures drawn so far. */
  readonly drawn: readonly (readonly string[])[];
}

export function memoryTerminal({ isTerminal = false }: { readonly isTerminal?: boolean } = {}): MemoryTerminal {
  const screen: Screen = { isTerminal, colour: false, columns: 120, rows: 50 };
  const [out, err]: [string[], string[]] = [[], []];
  const drawn: (readonly string[])[] = [];
  const waiting = new Set<() => void>();
  const look = (): void => {
    for (const one of waiting) one();
  };
  const both = (): string => [...out, ...err].join("\n");
  return {
    stdout: screen,
    stderr: screen,
    print: (text) => {
      out.push(text);
      look();
    },
    printAll: async (lines) => {
      for (const line of lines) out.push(line);
      look();
    },
    note: (text) => {
      err.push(text);
      look();
    },
    status: () => undefined,
    draw: (lines) => {
      drawn.push(lines);
      look();
    },
    readerLeft: new AbortController().signal,
    out: () => out.join("\n"),
    err: () => err.join("\n"),
    says: (text) =>
      new Promise((resolve) => {
        const check = (): void => {
          if (!both().includes(text)) return;
          waiting.delete(check);
          resolve();
        };
        waiting.add(check);
        check();
      }),
    drawn,
  };
}
