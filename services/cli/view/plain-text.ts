/** Text from elsewhere, made harmless: nothing that a daemon, a step or a file says may steer the terminal it is shown on. */

/** `text` without control characters and invisible marks; line ends and tabs stay, escapes are written out. */
export function plainText(text: string): string {
  return text.replace(
    /(?![\n\t])[\p{Cc}\p{Cf}\p{Co}\p{Cs}\u2028\u2029]/gu,
    (mark) => `\\u{${(mark.codePointAt(0) ?? 0).toString(16)}}`,
  );
}

/** The same in one line. */
export function plainLine(text: string): string {
  return plainText(text).replaceAll(/\s*\n\s*/g, " ");
}
