/** Which relocations GNU as chooses for what `@` asks for, and for branches. */
import { SourceError } from "../core/diagnostics.ts";
import type { PendingFixup } from "../core/fragment.ts";
import { GLOBAL_OFFSET_TABLE } from "../core/relocations.ts";
import type { AsmSymbol } from "../core/symbols.ts";
import type { RelocationType } from "../core/writer.ts";

const isLocal = (symbol: AsmSymbol): boolean => symbol.binding === "local" && symbol.definition !== undefined;

export function gasRelocation(
  symbol: AsmSymbol,
  fixup: PendingFixup,
  offset: bigint,
  wide: boolean,
): RelocationType | undefined {
  const { modifier } = fixup;
  if (modifier !== undefined) checkField(modifier, fixup, wide);
  if (modifier !== undefined && !(modifier === "PLT" && isLocal(symbol)))
    return { type: flavour(modifier, fixup, wide), forced: true };
  if (symbol.name === GLOBAL_OFFSET_TABLE && fixup.size >= 4) return { type: "GOTPC", forced: true };
  if (fixup.branch && offset === 0n && wide && fixup.size === 4 && !isLocal(symbol))
    return { type: "PLT", forced: false };
  return undefined;
}

const RELATIVE = /^(PLT|GOTPC|GOTPCREL|TLSGD|TLSLD|GOTTPOFF|TLSDESC)$/;
const SIGNED = /^(GOT|PLT|GOTPC|GOTPCREL|TLSGD|TLSLD|GOTTPOFF|TPOFF|DTPOFF)$/;

/** Does a relocation of this kind go into that field of an instruction? */
function checkField(modifier: string, { code, kind, size, signed, expr }: PendingFixup, wide: boolean): void {
  if (!code || size !== 4 || modifier === "TLSCALL") return;
  if (kind === "pcrel") {
    if (!(wide ? RELATIVE : /^(PLT|GOTPC)$/).test(modifier))
      throw new SourceError(expr.span, `'@${modifier}' is no distance: it cannot be relative to the instruction`);
    return;
  }
  if (wide && (signed ? modifier === "SIZE" : SIGNED.test(modifier)))
    throw new SourceError(expr.span, `'@${modifier}' and this field differ in signedness`);
}

/** ELF32 has no relocations of 64 bits, nor of 32 that are extended by sign. */
export function beyond32({ size, signed, code }: PendingFixup, relative: boolean): string | undefined {
  if (size !== 8 && !(size === 4 && signed && code && !relative)) return undefined;
  return `a 32-bit object has no relocation for ${size === 8 ? "64 bits" : "a sign-extended value"}`;
}

/** Loads through the GOT that a linker may turn into something shorter are marked. */
function flavour(modifier: string, { relaxable }: PendingFixup, wide: boolean): string {
  if (relaxable === undefined) return modifier;
  if (modifier === "GOTPCREL") return relaxable === "rex" ? "REX_GOTPCRELX" : "GOTPCRELX";
  return modifier === "GOT" && !wide ? "GOT32X" : modifier;
}

/** Is this CALL, JMP, MOV, TEST or arithmetic with a 32-bit displacement, or relative to RIP? */
export function relaxable(bytes: readonly number[]): PendingFixup["relaxable"] {
  let at = 0;
  while ([0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf0, 0xf2, 0xf3].includes(bytes[at]!)) at++;
  const rex = (bytes[at]! & 0xf0) === 0x40;
  if (rex) at++;
  const [opcode, modrm] = [bytes[at]!, bytes[at + 1] ?? 0];
  const far = modrm >> 6 === 2 || (modrm & 0xc7) === 5;
  const branch = opcode === 0xff && [2, 4].includes((modrm >> 3) & 7);
  const reads = opcode === 0x8b || opcode === 0x85 || (opcode & ~0x38) === 0x03;
  return far && (branch || reads) ? (rex ? "rex" : "plain") : undefined;
}
