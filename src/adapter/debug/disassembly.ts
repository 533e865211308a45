/** Disassembly around an address, backwards too, with labels and source lines. */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { type DisassembledLine, disassemble, type Syntax } from "../../emu/cpu/disassemble.ts";
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
  const bits = bitsAt(target, cpu, address);
  const before = offset < 0 ? backwards(target, cpu, address, -offset, bits, syntax) : [];
  const wanted = offset + count;
  const after = wanted > 0 ? forwards(cpu, address, wanted, bits, syntax).slice(Math.max(0, offset)) : [];
  return [...before, ...after].slice(0, count).map((line) => annotate(target.symbols(cpu), line, syntax));
}

/** The mode the code at `address` was assembled for; where nobody knows, the mode that runs. */
const bitsAt = (target: Target, cpu: Cpu, address: Addr) => target.symbols(cpu).lineAt(address)?.bits ?? codeBits(cpu);

function annotate(symbols: PlacedSymbols, line: DisassembledLine, syntax: Syntax): CodeLine {
  const address = bigToAddr(line.address);
  const near = symbols.nearest(address);
  const name = line.refersTo === undefined ? undefined : symbols.describe(bigToAddr(line.refersTo));
  const text = name === undefined ? line.text : `${line.text} ${syntax === "gas" ? "#" : ";"} ${name}`;
  return { ...line, address, text, label: near?.offset === 0 ? near.name : undefined, line: symbols.lineAt(address) };
}

function forwards(cpu: Cpu, address: Addr, count: number, bits: 16 | 32 | 64, syntax: Syntax): DisassembledLine[] {
  const bytes = peekBytes(cpu, address, count * LONGEST);
  const lines = disassemble(bytes, addrToBig(address), bits, syntax, count);
  const end = lines.length === 0 ? address : bigToAddr(lines.at(-1)!.address) + lines.at(-1)!.bytes.length;
  for (let at = end; lines.length < count; at++) lines.push(unmapped(at));
  return lines;
}

const unmapped = (address: Addr): DisassembledLine => ({
  address: addrToBig(address),
  bytes: new Uint8Array(),
  text: "(not mapped)",
  valid: false,
  refersTo: undefined,
});

/**
 * The `count` lines before `address`. x86 cannot be read backwards, so reading starts at a place known to begin an instruction (a
 * source line or symbol), or else at the nearest start from which decoding meets `address` exactly.
 */
function backwards(
  target: Target,
  cpu: Cpu,
  address: Addr,
  count: number,
  bits: 16 | 32 | 64,
  syntax: Syntax,
): DisassembledLine[] {
  for (const start of starts(target, cpu, address, count)) {
    const bytes = peekBytes(cpu, start, address - start);
    if (bytes.length !== address - start) continue;
    const lines = disassemble(bytes, addrToBig(start), bits, syntax);
    const last = lines.at(-1);
    if (last === undefined || bigToAddr(last.address) + last.bytes.length !== address) continue;
    const known = lines.slice(-count);
    return [...gap(bigToAddr(known[0]!.address), count - known.length), ...known];
  }
  return gap(address, count);
}

const gap = (end: Addr, count: number): DisassembledLine[] =>
  Array.from({ length: count }, (_, i) => unmapped(end - count + i));

function* starts(target: Target, cpu: Cpu, address: Addr, count: number): Generator<Addr> {
  const symbols = target.symbols(cpu);
  const furthest = address - count * LONGEST;
  for (let at = furthest; at < address; at++) {
    if (symbols.lineAt(at)?.start === at || symbols.nearest(at)?.offset === 0) yield at;
  }
  for (let at = furthest; at < address; at++) if (translate(cpu, at) !== undefined) yield at;
}
