/** Which relocations NASM writes for `wrt`. */
import type { PendingFixup } from "../core/fragment.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import type { RelocationType } from "../core/writer.ts";

const isLocal = (symbol: AsmSymbol): boolean => symbol.binding === "local" && symbol.definition !== undefined;

export function nasmRelocation(
  symbol: AsmSymbol,
  { modifier }: PendingFixup,
  relative: boolean,
  wide: boolean,
): RelocationType | undefined {
  if (modifier === undefined || modifier === "SYM" || (modifier === "PLT" && isLocal(symbol))) return undefined;
  const throughTable = wide && (modifier === "GOTPC" || (modifier === "GOT" && relative));
  return { type: throughTable ? "GOTPCREL" : modifier, forced: true };
}
