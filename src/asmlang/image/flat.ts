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
  linker.cuts = result.dialect === "nasm";
  linker.relocate();
  const image = { segments: placedSegments(linker), ...namesAndLines(linker, [result]) };
  const filled = layouts.filter(({ section }) => !section.flags.nobits && section.size > 0);
  let origin = filled[0]?.start ?? 0n;
  for (const { start } of filled) origin = -max(-origin, -start);
  // Where a section is placed by hand, the file starts with .text all the same, be it empty.
  const text = layouts.find(({ section }) => section.name === ".text");
  if (text && filled.some(({ section }) => section.bin?.start !== undefined) && text.start < origin)
    origin = text.start;
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

/** `.text` first, then the others as they come, those without bytes last; what follows another stands right behind it. */
function ordered(result: AssembleResult, linker: Linker): Section[] {
  const loaded = result.sections.filter((section) => section.flags.alloc || result.dialect === "nasm");
  const rank = ({ name, flags }: Section) => (flags.nobits ? 2 : name === ".text" ? 0 : 1);
  const list = loaded.filter(({ bin }) => bin?.follows === undefined).sort((a, b) => rank(a) - rank(b));
  const followed = new Set<string>();
  const open = loaded.filter(({ bin }) => bin?.follows !== undefined);
  for (let moved = true; moved; ) {
    moved = false;
    for (const section of open.splice(0)) {
      const target = section.bin!.follows!;
      const at = list.findIndex(({ name }) => name === target);
      if (at < 0) {
        open.push(section);
        continue;
      }
      if (followed.has(target)) linker.error(`two sections cannot both follow section ${target}`);
      followed.add(target);
      list.splice(at + 1, 0, section);
      moved = true;
    }
  }
  for (const { name, bin } of open) linker.error(`section ${name} follows ${bin!.follows}, which has no place`);
  return list;
}

/** What the attributes of a section say against each other. */
function contradiction({ name, bin, address }: Section): string | undefined {
  if (bin?.start !== undefined && bin.follows !== undefined)
    return `section ${name} cannot both start at an address and follow another section`;
  if (address !== undefined && bin?.vfollows !== undefined)
    return `section ${name} cannot have both 'vstart' and 'vfollows'`;
  const { start, align } = bin ?? {};
  return start !== undefined && align !== undefined && start % BigInt(align) !== 0n
    ? `section ${name} starts at an address that is no multiple of its alignment`
    : undefined;
}

function layOut(result: AssembleResult, linker: Linker, base: bigint): Layout[] {
  const layouts = new Map<string, Layout>();
  let previous: Layout | undefined;
  for (const section of ordered(result, linker)) {
    if (section.size === 0 && !section.bin?.start && section.name !== ".text" && !isUsed(result, section.name))
      continue;
    const bad = contradiction(section);
    if (bad !== undefined) linker.error(bad);
    const layout = place(section, previous, layouts, result, base);
    layouts.set(section.name, layout);
    previous = layout;
  }
  checkOverlaps([...layouts.values()], linker);
  return [...layouts.values()];
}

function checkOverlaps(layouts: readonly Layout[], linker: Linker): void {
  const filled = layouts.filter(({ section }) => section.size > 0 && !section.flags.nobits);
  const end = ({ start, section }: Layout) => start + BigInt(section.size);
  for (const [i, a] of filled.entries())
    for (const b of filled.slice(i + 1))
      if (a.start < end(b) && b.start < end(a))
        linker.error(`sections ${a.section.name} and ${b.section.name} overlap`);
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
  return { section, start, vstart: virtualStart(section, after, layouts, start, align) };
}

const DEFAULT_VIRTUAL_ALIGN = 4;

/** Space without bytes goes where the code before it thinks it is; so does what asks for it. */
function virtualStart(
  { address, bin, flags }: Section,
  after: Layout | undefined,
  layouts: ReadonlyMap<string, Layout>,
  start: bigint,
  align: bigint,
): bigint {
  if (address !== undefined) return address;
  if (bin?.start !== undefined) return start;
  const asked = bin?.vfollows !== undefined || bin?.valign !== undefined;
  const before = bin?.vfollows === undefined ? after : layouts.get(bin.vfollows);
  if (!before || !(asked || flags.nobits)) return start;
  const unit = asked ? BigInt(bin?.valign ?? DEFAULT_VIRTUAL_ALIGN) : align;
  return alignUp(before.vstart + BigInt(before.section.size), unit);
}
