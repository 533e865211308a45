/**
 * The call stack: the running code and its callers, across kernel entries, signal handlers and changes of mode. Callers are found by
 * following the code to its return (unwind/follow.ts). Where that does not tell, by the program's call frame information (unwind/cfi.ts); if
 * it has none, by call sites on the stack. The frame says which (`found`). In the kernel, pt_regs says where user mode was then.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { instructionAt } from "../../emu/cpu/disassemble.ts";
import { GPR } from "../../emu/cpu/layout.ts";
import { type Addr, bigToAddr, isCanonical } from "../../emu/cpu/state.ts";
import { peekBytes, peekValue } from "./guest-memory.ts";
import { kernelReference } from "./kernel-fields.ts";
import type { PlacedSymbols } from "./placed-symbols.ts";
import { PT_REGS } from "./registers.ts";
import type { LineSpan } from "./symbols.ts";
import type { KernelAccess, Target } from "./target.ts";
import { callerByCfi } from "./unwind/cfi.ts";
import type { Return } from "./unwind/far-returns.ts";
import { behindSystemCall, follow } from "./unwind/follow.ts";
import { modeFor, Place } from "./unwind/place.ts";
import { upcallEffects } from "./unwind/upcalls.ts";

export interface Frame {
  readonly address: Addr;
  /** Once the frames above have returned. */
  readonly sp: Addr;
  readonly bits: 16 | 32 | 64;
  readonly cpl: number;
  readonly v86: boolean;
  /** `name+0x12`, or the address where nothing is near. */
  readonly name: string;
  readonly line: LineSpan | undefined;
  /** How it was found: by following the code above it to its return, by what the program's CFI says of that, by a call site on the stack. */
  readonly found: "code" | "CFI" | "call site";
  /** How the frame above came to be: by a near or far call, an entry into the kernel, a signal, vm86(2); "running" for the first. */
  readonly by: "running" | "vm86" | Return["kind"];
  /** Whether the frame's registers are the CPU's own: the frame that a CPU runs. */
  readonly current: boolean;
  /** The code that was interrupted by the entry that the kernel is in: its registers are in pt_regs. */
  readonly interrupted: boolean;
  /** What is known of its registers. */
  readonly place: Place;
}

/** Stack words looked at per level of the search, and frames shown at most. */
const WORDS = 512;
const MOST_FRAMES = 64;

export function callStack(target: Target, cpu: Cpu): Frame[] {
  const running = isStandIn(target, cpu) ? savedPlace(cpu) : Place.of(cpu);
  running.effects = upcallEffects(target, running);
  const frames = [frameAt(target, running, "running", "code")];
  for (let place: Place | undefined = running; place !== undefined && frames.length < MOST_FRAMES; ) {
    const from: Place = frames.at(-1)!.by === "interrupt" ? behindEntry(target, place) : place;
    const behindCall = ({ address, mode }: Place) => isBehindCall(cpu, address, mode.code.bits);
    const caller = follow(from, behindCall);
    const described = caller === undefined ? byCfi(target, from, frames.at(-1)!) : undefined;
    if (described === "outermost") break;
    place = (caller ?? described)?.to ?? fallBack(target, from, frames);
    if (caller !== undefined) frames.push(frameAt(target, caller.to, caller.kind, "code"));
    else if (described !== undefined) frames.push(frameAt(target, described.to, described.kind, "CFI"));
  }
  return markInterrupted(frames.slice(0, MOST_FRAMES));
}

/** Of user code, what the ELF file it is of (or our assembler's image) says of its frames. */
function byCfi({ kernel, spaces }: Target, from: Place, { by }: Frame): Return | "outermost" | undefined {
  if (kernel === undefined || from.mode.cpl < 3 || from.mode.v86) return undefined;
  const mappings = kernel.mappings(from.cpu);
  const { address } = from;
  const here = mappings.find(({ start, end }) => address >= start && address < end);
  const first = here && mappings.find(({ name }) => name === here.name);
  if (first === undefined) return undefined;
  const { program, ehFrame } = spaces.of(from.cpu);
  const frames = first.name === program ? ehFrame : undefined;
  const special = here?.pages && { start: here.start, pages: here.pages };
  return callerByCfi(from, { elf: first.start, frames, special }, by === "return" || by === "far");
}

/** The interrupted code as it will go on: what its system call will give is not known yet, whatever stands in pt_regs meanwhile. */
function behindEntry({ kernel }: Target, interrupted: Place): Place {
  const place = behindSystemCall(interrupted).copy();
  const number = kernel && kernelReference(kernel, place.cpu, "pt_regs.orig_ax");
  const value = number?.read();
  if (number !== undefined && value !== undefined && BigInt.asIntN(number.bits, value) >= 0n)
    place.regs[GPR.RAX] = undefined;
  return place;
}

/** Only a stand-in is beyond the machine's CPUs. */
const isStandIn = ({ machine }: Target, cpu: Cpu): boolean => cpu.index >= machine.cpus.length;

/** Of a task that no CPU runs only the stack pointer is known: the rest is on the stack. */
function savedPlace(cpu: Cpu): Place {
  const place = Place.of(cpu);
  place.forget(new Set([GPR.RSP]));
  return place;
}

/** The first user code behind kernel code. */
function markInterrupted(frames: Frame[]): Frame[] {
  const index = frames.findIndex(({ cpl }, i) => cpl === 3 && i > 0 && frames[i - 1]!.cpl < 3);
  return index < 0 ? frames : frames.map((frame, i) => (i === index ? { ...frame, interrupted: true } : frame));
}

function frameAt(target: Target, place: Place, by: Frame["by"], found: Frame["found"]): Frame {
  const { address, mode } = place;
  const symbols = target.symbols(place.cpu);
  // a caller stands behind its call, which may be the last instruction of its line and function
  const behindCall = by === "return" || by === "far" ? 1 : 0;
  const near = symbols.nearest(address - behindCall);
  const name =
    near === undefined
      ? `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`
      : withOffset(near.name, near.offset + behindCall);
  const line = symbols.lineAt(address - behindCall);
  const { bits } = mode.code;
  const { cpl, v86 } = mode;
  const current = by === "running" && !isStandIn(target, place.cpu);
  return { address, sp: place.sp ?? 0, bits, cpl, v86, name, line, found, by, current, interrupted: false, place };
}

const withOffset = (name: string, offset: number): string => (offset === 0 ? name : `${name}+0x${offset.toString(16)}`);

/**
 * Where the code does not tell: of v8086 mode, the 32-bit code that entered it; else callers by call sites, then, in the kernel, the
 * user code of pt_regs. What is returned is where to go on from.
 */
function fallBack(target: Target, from: Place, frames: Frame[]): Place | undefined {
  const { kernel } = target;
  const outside = from.mode.v86 ? kernel?.outsideVm86(from.cpu) : undefined;
  if (outside !== undefined) {
    const place = placeFrom(kernel!, from, (offset, size) => littleEndian(outside, offset, size));
    if (place !== undefined) frames.push(frameAt(target, place, "vm86", "code"));
    return place;
  }
  const inKernel = kernel !== undefined && from.mode.cpl < 3;
  const regs = inKernel ? kernel.userRegs(from.cpu) : undefined;
  frames.push(...callersBySite(target, from, regs).map((place) => frameAt(target, place, "return", "call site")));
  const user = regs === undefined ? undefined : userPlace(kernel!, from, regs);
  if (user !== undefined) frames.push(frameAt(target, user, "interrupt", "code"));
  return user;
}

/** The interrupted user code. Absent while pt_regs is not yet complete (CS of ring 0 or zero). */
function userPlace(kernel: KernelAccess, from: Place, regs: Addr): Place | undefined {
  const place = placeFrom(kernel, from, (offset, size) => peekValue(from.cpu, regs + offset, size));
  return place?.mode.cpl === 3 ? place : undefined;
}

/** The place that a pt_regs stands for. */
function placeFrom(
  { layout }: KernelAccess,
  from: Place,
  readAt: (offset: number, size: number) => bigint | undefined,
): Place | undefined {
  const read = (name: string) => {
    const field = layout.ptRegs[name];
    return field === undefined ? undefined : readAt(field.offset, field.size);
  };
  const [ip, cs, ss, flags] = [read("ip"), read("cs"), read("ss"), read("flags")];
  if (ip === undefined || cs === undefined || flags === undefined) return undefined;
  const mode = modeFor(from.cpu, cs, ss, flags, from.mode);
  if (mode === undefined) return undefined;
  const place = from.at(mode, ip);
  for (const [i, name] of PT_REGS.entries()) place.regs[i] = read(name);
  return place;
}

const littleEndian = (bytes: Uint8Array, offset: number, size: number): bigint =>
  bytes.subarray(offset, offset + size).reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);

const toAddr = (value: bigint): Addr | undefined =>
  isCanonical(Number(BigInt.asIntN(32, value >> 32n))) ? bigToAddr(value) : undefined;

/** Stack words that point just behind a CALL in code we have a name for, as places. `end` bounds the search. */
function callersBySite(target: Target, from: Place, end: Addr | undefined): Place[] {
  const { sp: start, mode, cpu } = from;
  if (start === undefined) return [];
  const width = mode.code.bits / 8;
  const places: Place[] = [];
  const symbols = target.symbols(cpu);
  const limit = Math.min(start + WORDS * width, end ?? Number.POSITIVE_INFINITY);
  for (let sp = start; sp < limit && places.length < MOST_FRAMES; sp += width) {
    const word = peekValue(cpu, sp, width);
    if (word === undefined) break;
    const address = toAddr(word);
    if (address === undefined || !isNamed(symbols, address) || !isBehindCall(cpu, address, mode.code.bits)) continue;
    const place = from.at(mode, word);
    place.release(sp + width - start);
    places.push(place);
  }
  return places;
}

const isNamed = (symbols: PlacedSymbols, address: Addr): boolean =>
  symbols.lineAt(address - 1)?.bits !== undefined || symbols.nearest(address) !== undefined;

/** A call's length is 2 to 7 bytes: some start before `address` must decode to a CALL that ends exactly there. */
function isBehindCall(cpu: Cpu, address: Addr, bits: 16 | 32 | 64): boolean {
  for (let length = 2; length <= 7; length++) {
    const bytes = peekBytes(cpu, address - length, length);
    if (bytes.length !== length) continue;
    const found = instructionAt(bytes, bits);
    if (found.length === length && found.flow === "call") return true;
  }
  return false;
}
