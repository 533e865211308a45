/**
 * Finds the frame description of an address in an .eh_frame in guest memory: by the table of .eh_frame_hdr that ELF files bring with
 * them (PT_GNU_EH_FRAME), or by an index that is made by going through all of it.
 */
import type { Addr } from "../../../emu/cpu/state.ts";
import { ELF32_EHDR, ELF32_PHDR, ELF64_EHDR, ELF64_PHDR, ELFCLASS64 } from "../../../emu/kernel/abi/elf.ts";
import { type CfiReader, NoCfi, OMITTED } from "./cfi-reader.ts";

/** CIE and FDE of a function, as far as an unwinder needs them. */
export interface Description {
  readonly start: Addr;
  readonly end: Addr;
  readonly codeAlign: bigint;
  readonly dataAlign: bigint;
  readonly returnColumn: number;
  /** The frame was left by a signal: its address is that of an instruction to run, not one behind a call. */
  readonly signal: boolean;
  /** Instructions of the CIE and of the FDE. */
  readonly initial: Program;
  readonly own: Program;
}
export interface Program {
  readonly from: Addr;
  readonly to: Addr;
}

interface Cie extends Pick<Description, "codeAlign" | "dataAlign" | "returnColumn" | "signal" | "initial"> {
  readonly encoding: number;
  readonly augmented: boolean;
}

const PT_GNU_EH_FRAME = 0x6474e550;
const PT_LOAD = 1;
const ELF_MAGIC = 0x464c457fn;
/** Entries looked at to make an index. */
const MOST_ENTRIES = 100_000;

/** Where the .eh_frame_hdr is of an ELF file that is mapped from `start` on; undefined if it has none. */
export function ehFrameHeader(reader: CfiReader, start: Addr): Addr | undefined {
  if (reader.from(start).unsigned(4) !== ELF_MAGIC) return undefined;
  const head = reader.from(start).bytes(ELF64_EHDR.size);
  const wide = head[4] === ELFCLASS64;
  const header = (wide ? ELF64_EHDR : ELF32_EHDR).at(head);
  const [at, size, count] = [Number(header.big("e_phoff")), header.get("e_phentsize"), header.get("e_phnum")];
  const table = reader.from(start + at).bytes(size * count);
  const segments = Array.from({ length: count }, (_, i) =>
    (wide ? ELF64_PHDR : ELF32_PHDR).at(table.subarray(i * size, (i + 1) * size)),
  );
  const found = segments.find((each) => each.get("p_type") === PT_GNU_EH_FRAME);
  const first = segments.find((each) => each.get("p_type") === PT_LOAD);
  if (found === undefined || first === undefined) return undefined;
  return start + Number(found.big("p_vaddr") - first.big("p_vaddr"));
}

/** By an .eh_frame_hdr: a sorted table of where functions start and their descriptions are. */
export function describedByHeader(reader: CfiReader, header: Addr, address: Addr): Description | undefined {
  const at = reader.from(header);
  const [version, frameEncoding, countEncoding, tableEncoding] = [at.byte(), at.byte(), at.byte(), at.byte()];
  if (version !== 1) return undefined;
  const frames = at.pointer(frameEncoding, header);
  if (countEncoding === OMITTED || tableEncoding !== TABLE_ENCODING)
    return new EhFrame(frames).describe(reader, address);
  const count = at.pointer(countEncoding, header);
  const entry = (i: number) => {
    const row = reader.from(at.at + i * 8);
    return [row.pointer(TABLE_ENCODING, header), row.pointer(TABLE_ENCODING, header)] as const;
  };
  const last = lastAtOrBelow(count, (i) => entry(i)[0], address);
  return last < 0 ? undefined : describedAt(reader.from(entry(last)[1]), address);
}

/** The last of `count` sorted keys at or below `key`; -1 if none. */
function lastAtOrBelow(count: number, keyOf: (i: number) => Addr, key: Addr): number {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (keyOf(middle) <= key) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function describedAt(at: CfiReader, address: Addr): Description | undefined {
  const found = describe(at);
  return found !== undefined && address >= found.start && address < found.end ? found : undefined;
}

/** sdata4, relative to the header: what linkers write. */
const TABLE_ENCODING = 0x3b;

/** An .eh_frame without a header, at an address; its index is made when it is first asked. */
export class EhFrame {
  readonly start: Addr;
  #index: readonly { readonly start: Addr; readonly at: Addr }[] | undefined;

  constructor(start: Addr) {
    this.start = start;
  }

  describe(reader: CfiReader, address: Addr): Description | undefined {
    this.#index ??= indexOf(reader.from(this.start));
    const index = this.#index;
    const last = lastAtOrBelow(index.length, (i) => index[i]!.start, address);
    return last < 0 ? undefined : describedAt(reader.from(index[last]!.at), address);
  }
}

function indexOf(reader: CfiReader): { start: Addr; at: Addr }[] {
  const index: { start: Addr; at: Addr }[] = [];
  for (let i = 0, at = reader.at; i < MOST_ENTRIES; i++) {
    const { next, isCie } = entryAt(reader.from(at));
    if (next === undefined) break;
    const found = isCie ? undefined : describe(reader.from(at));
    if (found !== undefined) index.push({ start: found.start, at });
    at = next;
  }
  return index.sort((a, b) => a.start - b.start);
}

/** A zero length ends all. */
function entryAt(at: CfiReader): { readonly next: Addr | undefined; readonly isCie: boolean } {
  const length = Number(at.unsigned(4));
  return { next: length === 0 ? undefined : at.at + length, isCie: length !== 0 && at.unsigned(4) === 0n };
}

/** The FDE that the reader is at. */
function describe(at: CfiReader): Description | undefined {
  const length = Number(at.unsigned(4));
  const to = at.at + length;
  const cieAt = at.at;
  const distance = Number(at.unsigned(4));
  if (length === 0 || distance === 0) return undefined;
  const { encoding, augmented, ...cie } = readCie(at.from(cieAt - distance));
  const start = at.pointer(encoding);
  const end = start + at.pointer(encoding & 15);
  if (augmented) at.at += Number(at.uleb());
  return { ...cie, start, end, own: { from: at.at, to } };
}

function readCie(at: CfiReader): Cie {
  const to = Number(at.unsigned(4)) + at.at;
  if (at.unsigned(4) !== 0n) throw new NoCfi();
  const version = at.byte();
  const augmentation = at.text();
  const codeAlign = at.uleb();
  const dataAlign = at.sleb();
  const returnColumn = version === 1 ? at.byte() : Number(at.uleb());
  const augmented = augmentation.startsWith("z");
  let encoding = 0;
  if (augmented) {
    const end = Number(at.uleb()) + at.at;
    for (const letter of augmentation.slice(1)) {
      if (letter === "R") encoding = at.byte();
      else if (letter === "P") at.pointer(at.byte());
      else if (letter === "L") at.byte();
    }
    at.at = end;
  }
  const signal = augmentation.includes("S");
  return { codeAlign, dataAlign, returnColumn, signal, encoding, augmented, initial: { from: at.at, to } };
}
