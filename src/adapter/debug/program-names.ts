/** What is known of a program beforehand: names, lines and frame information, of our assembler's image or of an ELF file. */
import { constantsOf } from "../../asmlang/index.ts";
import type { Image } from "../../asmlang/types.ts";
import { type Addr, bigToAddr } from "../../emu/cpu/state.ts";
import type { Program } from "../../emu/kernel/types.ts";
import { elfNames } from "./elf-names.ts";
import { imageExtents, imageNames, lineSpans, SymbolIndex } from "./symbols.ts";
import { EhFrame } from "./unwind/eh-frame.ts";

export interface ProgramNames {
  readonly index: SymbolIndex;
  /** Addresses count from wherever the program is put. */
  readonly relocatable: boolean;
  /** Of a program that goes where it is put, it is found by its headers there. */
  readonly ehFrame: EhFrame | undefined;
}

export const programNames = (program: Program): ProgramNames =>
  program.kind === "image" ? imageProgram(program.image) : elfProgram(program.bytes);

export function elfProgram(bytes: Uint8Array): ProgramNames {
  const { symbols, lines, extents, relocatable, ehFrame } = elfNames(bytes);
  const index = new SymbolIndex(symbols, lines, extents);
  return { index, relocatable, ehFrame: relocatable ? undefined : frames(ehFrame) };
}

export function imageProgram(image: Image): ProgramNames {
  const found = image.segments.find(({ section }) => section === ".eh_frame");
  return { index: imageIndex(image), relocatable: false, ehFrame: frames(found && bigToAddr(found.address)) };
}

const frames = (address: Addr | undefined) => (address === undefined ? undefined : new EhFrame(address));

export const imageIndex = (image: Pick<Image, "symbols" | "symbolTable" | "segments" | "lines">): SymbolIndex =>
  new SymbolIndex(
    imageNames(image.symbols, constantsOf(image), bigToAddr),
    () => lineSpans(image),
    imageExtents(image),
  );
