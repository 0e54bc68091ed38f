/** Colours by their meaning, or none of them. */
import { styleText } from "node:util";

export interface Style {
  readonly strong: (text: string) => string;
  readonly quiet: (text: string) => string;
  readonly good: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly red: (text: string) => string;
}

/** What lines are made for: a style, and how wide they may be. */
export interface Canvas {
  readonly style: Style;
  /** Infinite where nobody minds a long line. */
  readonly columns: number;
}

type Format = Parameters<typeof styleText>[0];

export function styleFor({ colour }: { readonly colour: boolean }): Style {
  const as =
    (format: Format) =>
    (text: string): string =>
      // The decision about colour has been made; Node shall not make its own.
      colour && text !== "" ? styleText(format, text, { validateStream: false }) : text;
  return { strong: as("bold"), quiet: as("dim"), good: as("green"), warn: as("yellow"), red: as("red") };
}

/** The canvas of an output stream: long lines are for files and pipes. */
export function canvasFor(screen: {
  readonly isTerminal: boolean;
  readonly colour: boolean;
  readonly columns: number;
}): Canvas {
  return { style: styleFor(screen), columns: screen.isTerminal ? screen.columns : Number.POSITIVE_INFINITY };
}
