/** Finds the name that was probably meant when an unknown one was written. */

/** Letters to insert, delete, replace or swap with a neighbour to turn `left` into `right` (optimal string alignment). */
function editsBetween(left: string, right: string): number {
  const columns = right.length + 1;
  const table = new Uint16Array((left.length + 1) * columns);
  const at = (row: number, column: number): number => table[row * columns + column] ?? 0;
  for (let row = 0; row <= left.length; row += 1) {
    for (let column = 0; column < columns; column += 1) {
      const replaced = left[row - 1] === right[column - 1] ? 0 : 1;
      let edits = Math.max(row, column);
      if (row > 0 && column > 0) {
        edits = Math.min(at(row - 1, column) + 1, at(row, column - 1) + 1, at(row - 1, column - 1) + replaced);
        const swapped =
          row > 1 && column > 1 && left[row - 1] === right[column - 2] && left[row - 2] === right[column - 1];
        if (swapped) edits = Math.min(edits, at(row - 2, column - 2) + 1);
      }
      table[row * columns + column] = edits;
    }
  }
  return at(left.length, right.length);
}

/** The one of `names` closest to `written`, capitals and dashes aside; undefined when none is near enough to be a slip of the pen. */
export function nearestName(written: string, names: readonly string[]): string | undefined {
  const plain = (name: string): string => name.toLowerCase().replaceAll("-", "_");
  let nearest: string | undefined;
  let fewest = Math.max(2, Math.floor(written.length / 3)) + 1;
  for (const name of names) {
    if (Math.abs(name.length - written.length) >= fewest) continue;
    const edits = editsBetween(plain(written), plain(name));
    if (edits < fewest && edits < name.length) {
      fewest = edits;
      nearest = name;
    }
  }
  return nearest;
}
