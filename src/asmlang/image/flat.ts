/** Flat binaries with the layout of NASM's `bin` format: sections in order, `org`, `start=`, `vstart=`, `follows=`. */
import type { AssembleResult, Diagnostic, Image, Section } from "../types.ts";
import { alignUp, Linker, max, namesAndLines, placedSegments } from "./link.ts";

interface Layout {
  readonly section: Section;
  /** In the file (load address) and as the code sees it. */
  readonly start: bigint;
  readonly vstart: bigint;
}

const DEFAULT_ALIGN = 4n;
const MAX_FILE = 256n * 1024n * 1024n;

export interface FlatBinary {
  readonly bytes: Uint8Array;
  /** Where the code believes its parts to be, with names and source lines. */
  readonly image: Pick<Image, "segments" | "symbols" | "symbolTable" | "lines">;
  readonly diagnostics: readonly Diagnostic[];
}

/** `base`: where the file is loaded, for sources that do not say (GNU ones cannot). */
export function writeFlatBinary(result: AssembleResult, base = 0n): FlatBinary {
  const linker = new Linker([result]);
  const layouts = layOut(result, linker, base);
  for (const { section, vstart } of layouts) linker.place(0, section, vstart);
  linker.collect(new Map());
  for (const { section, start, vstart } of layouts) {
    linker.defineName(`section.${section.name}.start`, start);
    linker.defineName(`section.${section.name}.vstart`, vstart);
    linker.defineName(`section.${section.name}.length`, BigInt(section.size));
  }
  linker.relocate();
  const image = { segments: placedSegments(linker), ...namesAndLines(linker, [result]) };
  const filled = layouts.filter(({ section }) => !section.flags.nobits && section.size > 0);
  let origin = filled[0]?.start ?? 0n;
  for (const { start } of filled) origin = -max(-origin, -start);
  const end = filled.reduce((high, { start, section }) => max(high, start + BigInt(section.size)), origin);
  if (end - origin > MAX_FILE) {
    linker.error(`the flat file would have ${end - origin} bytes`);
    return { bytes: new Uint8Array(0), image, diagnostics: linker.diagnostics };
  }
  const bytes = new Uint8Array(Number(end - origin));
  for (const { section, start } of filled)
    bytes.set(linker.placed[0]!.get(section.name)!.bytes, Number(start - origin));
  return { bytes, image, diagnostics: linker.diagnostics };
}

/** `.text` first, then the others as they come, those without bytes last. */
function ordered(result: AssembleResult): Section[] {
  const loaded = result.sections.filter((section) => section.flags.alloc || result.dialect === "nasm");
  const rank = ({ name, flags }: Section) => (flags.nobits ? 2 : name === ".text" ? 0 : 1);
  return [...loaded].sort((a, b) => rank(a) - rank(b));
}

function layOut(result: AssembleResult, linker: Linker, base: bigint): Layout[] {
  const layouts = new Map<string, Layout>();
  let previous: Layout | undefined;
  for (const section of ordered(result)) {
    if (section.size === 0 && !section.bin?.start && section.name !== ".text" && !isUsed(result, section.name))
      continue;
    const after = section.bin?.follows === undefined ? previous : layouts.get(section.bin.follows);
    if (section.bin?.follows !== undefined && !after)
      linker.error(`section ${section.name} follows unknown section ${section.bin.follows}`);
    const layout = place(section, after, layouts, result, base);
    layouts.set(section.name, layout);
    previous = layout;
  }
  return [...layouts.values()];
}

const isUsed = (result: AssembleResult, name: string): boolean =>
  result.symbols.some((symbol) => symbol.section === name);

function place(
  section: Section,
  after: Layout | undefined,
  layouts: ReadonlyMap<string, Layout>,
  result: AssembleResult,
  base: bigint,
): Layout {
  const align = result.dialect === "gas" ? BigInt(section.align) : BigInt(section.bin?.align ?? DEFAULT_ALIGN);
  const first = after === undefined;
  const start =
    section.bin?.start ??
    (first ? (section.address ?? base) : alignUp(after.start + BigInt(after.section.size), align));
  // Space without bytes goes where the code before it thinks it is.
  const virtualAfter =
    section.bin?.vfollows === undefined
      ? section.flags.nobits
        ? after
        : undefined
      : layouts.get(section.bin.vfollows);
  const vstart =
    section.address ?? (virtualAfter ? alignUp(virtualAfter.vstart + BigInt(virtualAfter.section.size), align) : start);
  return { section, start, vstart };
}
