/**
 * What the program has printed. Going back does not take it from the client's console: what lies ahead again is said there, and the program
 * prints it once more when it gets there.
 */

interface Output {
  readonly icount: number;
  readonly text: string;
}

/** Outputs that are remembered, the latest ones. */
const MOST = 10_000;
/** Characters of an output that are told. */
const MOST_TOLD = 40;

export class Printed {
  #outputs: Output[] = [];

  note(icount: number, text: string): void {
    if (this.#outputs.length >= 2 * MOST) this.#outputs = this.#outputs.slice(-MOST);
    this.#outputs.push({ icount, text });
  }

  /** What is to be said of an instant, once: the outputs from there on; undefined if there are none. */
  goneBackTo(icount: number): string | undefined {
    // mostly there is nothing ahead
    if ((this.#outputs.at(-1)?.icount ?? -1) < icount) return undefined;
    const first = this.#outputs.findIndex((output) => output.icount >= icount);
    const [{ text }, ...others] = this.#outputs.splice(first) as [Output, ...Output[]];
    const told = JSON.stringify(text.length > MOST_TOLD ? `${text.slice(0, MOST_TOLD)}...` : text);
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    return `back before the output of ${told}${more}: it will come again`;
  }
}
