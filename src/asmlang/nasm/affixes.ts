/** `%pragma elf gprefix _` and its kin: what is put before and behind the names of symbols in the object. */
import type { ObjectBuilder } from "../core/builder.ts";

const OPERATION = /^([gl]?)(prefix|suffix)$|^([gl])(postfix)$/;

export class Affixes {
  readonly #before = { global: "", local: "" };
  readonly #behind = { global: "", local: "" };

  /** Words of a `%pragma`; those for other facilities, and other operations, say nothing here. */
  read([facility, operation, text = ""]: readonly string[]): void {
    const match = OPERATION.exec(operation?.toLowerCase() ?? "");
    if (!match || !/^(elf(32|64)?|output)$/i.test(facility ?? "")) return;
    const kind = match[1] ?? match[3];
    const target = match[2] === "prefix" ? this.#before : this.#behind;
    if (kind !== "l") target.global = text;
    if (kind !== "g") target.local = text;
  }

  apply(builder: ObjectBuilder): void {
    if (![...Object.values(this.#before), ...Object.values(this.#behind)].some((text) => text !== "")) return;
    for (const symbol of [...builder.symbols.values()]) {
      const kind = symbol.binding === "local" && !symbol.external ? "local" : "global";
      builder.rename(symbol, `${this.#before[kind]}${symbol.name}${this.#behind[kind]}`);
    }
  }
}
