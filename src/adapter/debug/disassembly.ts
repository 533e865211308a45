/** Disassembly around an address, backwards too, with labels and source lines. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { type DisassembledLine, disassemble, type Syntax } from "../../emu/cpu/disassemble.ts";
import { PAGE_SIZE } from "../../emu/cpu/memory.ts";
import { type Addr, addrToBig, bigToAddr } from "../../emu/cpu/state.ts";
import { peekBytes, translate } from "./guest-memory.ts";
import type { PlacedSymbols } from "./placed-symbols.ts";
import { codeBits } from "./registers.ts";
import type { LineSpan } from "./symbols.ts";
import type { Target } from "./target.ts";

export interface CodeLine {
  readonly address: Addr;
  /** Empty where nothing is mapped. */
  readonly bytes: Uint8Array;
  readonly text: string;
  /** Label that starts here. */
  readonly label: string | undefined;
  readonly line: LineSpan | undefined;
  readonly valid: boolean;
  /** Only of lines that would be below address 0: by how many. */
  readonly below?: number;
}

const LONGEST = 15;

/**
 * `count` lines, the first one `offset` instructions from `address` (negative = before it). Where nothing is mapped, lines say so,
 * so that there are always `count` of them.
 */
export function codeAround(
  target: Target,
  cpu: Cpu,
  address: Addr,
  offset: number,
  count: number,
  syntax: Syntax,
): CodeLine[] {
  const symbols = target.symbols(cpu);
  const line = symbols.lineAt(address);
  const isKernel = line !== undefined && target.sourceText(line.uri) !== undefined;
  const read = reader(symbols, line?.bits ?? codeBits(cpu), (bytes, at, bits, most) =>
    disassemble(bytes, addrToBig(at), bits, syntax, most, isKernel),
  );
  const before = offset < 0 ? backwards(target, cpu, address, -offset, read) : [];
  const wanted = offset + count;
  const after = wanted > 0 ? forwards(cpu, address, wanted, read).slice(Math.max(0, offset)) : [];
  const lines = [...before, ...after].map((each) => annotate(symbols, each, syntax));
  return [...nothing(-offset - before.length), ...lines].slice(0, count);
}

/** Lines below address 0: as many as were asked for, and in order. */
const nothing = (count: number): CodeLine[] =>
  Array.from({ length: Math.max(0, count) }, (_, i) => ({ ...NOTHING, below: count - i }));

const NOTHING = { address: 0, bytes: new Uint8Array(), text: "", label: undefined, line: undefined, valid: false };

function annotate(symbols: PlacedSymbols, line: DisassembledLine, syntax: Syntax): CodeLine {
  const address = bigToAddr(line.address);
  const near = symbols.nearest(address);
  const name = line.refersTo === undefined ? undefined : symbols.describe(bigToAddr(line.refersTo));
  const text = name === undefined ? line.text : `${line.text} ${syntax === "gas" ? "#" : ";"} ${name}`;
  return { ...line, address, text, label: near?.offset === 0 ? near.name : undefined, line: symbols.lineAt(address) };
}

type Bits = 16 | 32 | 64;
type Reader = (bytes: Uint8Array, address: Addr, most?: number) => DisassembledLine[];
type Decoder = (bytes: Uint8Array, address: Addr, bits: Bits, most: number) => DisassembledLine[];

/** Reads each run of code in the mode that it was assembled for; where nobody knows, in `otherwise`. */
function reader(symbols: PlacedSymbols, otherwise: Bits, decode: Decoder): Reader {
  return (bytes, address, most = Number.POSITIVE_INFINITY) => {
    const lines: DisassembledLine[] = [];
    for (let at = 0; at < bytes.length && lines.length < most; at = endOf(lines.at(-1)!) - address) {
      const { bits, length } = runAt(symbols, address + at, bytes.length - at);
      const run = bytes.subarray(at, at + length);
      lines.push(...decode(run, address + at, bits ?? otherwise, most - lines.length));
    }
    return lines;
  };
}

/** How far the source lines from an address on are of one mode; from where there is none, how far that goes on. */
function runAt(symbols: PlacedSymbols, from: Addr, most: number): { readonly bits?: Bits; readonly length: number } {
  const bits = symbols.lineAt(from)?.bits;
  let end = from;
  for (let line = symbols.lineAt(end); end - from < most && line?.bits === bits; line = symbols.lineAt(end))
    end = line?.end ?? end + 1;
  return { length: Math.min(most, end - from), ...(bits !== undefined && { bits }) };
}

function forwards(cpu: Cpu, address: Addr, count: number, read: Reader): DisassembledLine[] {
  const lines: DisassembledLine[] = [];
  let at = address;
  while (lines.length < count) {
    const wanted = count - lines.length;
    const bytes = peekBytes(cpu, at, wanted * LONGEST);
    const code = bytes.length === 0 ? [unmapped(at)] : read(bytes, at, wanted);
    lines.push(...code);
    at = bytes.length === 0 ? pageOf(at) + PAGE_SIZE : endOf(code.at(-1)!);
  }
  return lines;
}

const pageOf = (address: Addr): Addr => Math.floor(address / PAGE_SIZE) * PAGE_SIZE;
const endOf = ({ address, bytes }: DisassembledLine): Addr => bigToAddr(address) + bytes.length;

/** A line for a page, or what is left of one. */
const unmapped = (address: Addr): DisassembledLine => ({
  address: addrToBig(address),
  bytes: new Uint8Array(),
  text: "(not mapped)",
  valid: false,
  refersTo: undefined,
});

/** Fewer than `count` where address 0 is met. */
function backwards(target: Target, cpu: Cpu, address: Addr, count: number, read: Reader): DisassembledLine[] {
  let lines: DisassembledLine[] = [];
  for (let end = address; end !== 0 && lines.length < count; end = bigToAddr(lines[0]!.address))
    lines = [...linesBefore(target, cpu, end, count - lines.length, read), ...lines];
  return lines;
}

/**
 * Up to `count` lines before `end`, at least one. x86 cannot be read backwards, so reading starts at a place known to begin an instruction
 * (a source line or symbol), or else at the nearest start from which decoding meets `end` exactly.
 */
function linesBefore(target: Target, cpu: Cpu, end: Addr, count: number, read: Reader): DisassembledLine[] {
  if (translate(cpu, end - 1) === undefined) return [unmapped(pageOf(end - 1))];
  for (const start of starts(target, cpu, end, count)) {
    const bytes = peekBytes(cpu, start, end - start);
    if (bytes.length !== end - start) continue;
    const lines = read(bytes, start);
    if (endOf(lines.at(-1)!) === end) return lines.slice(-count);
  }
  return read(peekBytes(cpu, end - 1, 1), end - 1);
}

function* starts(target: Target, cpu: Cpu, address: Addr, count: number): Generator<Addr> {
  const symbols = target.symbols(cpu);
  const furthest = address - count * LONGEST;
  for (let at = furthest; at < address; at++) {
    if (symbols.lineAt(at)?.start === at || symbols.nearest(at)?.offset === 0) yield at;
  }
  for (let at = furthest; at < address; at++) if (translate(cpu, at) !== undefined) yield at;
}
