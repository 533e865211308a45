/**
 * The call stack: the running code, its callers by call sites on the stack, and, where the kernel runs, the user code behind
 * pt_regs. A caller that was found by its call site and not by unwind data says so (`guessed`).
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { instructionAt } from "../../emu/cpu/disassemble.ts";
import { type Addr, bigToAddr, isCanonical } from "../../emu/cpu/state.ts";
import { linearSp } from "./code.ts";
import { peekBytes, peekValue } from "./guest-memory.ts";
import { codeBits } from "./registers.ts";
import type { LineSpan } from "./symbols.ts";
import type { KernelAccess, Target } from "./target.ts";

export interface Frame {
  readonly address: Addr;
  readonly sp: Addr;
  readonly bits: 16 | 32 | 64;
  readonly cpl: number;
  readonly v86: boolean;
  /** `name+0x12`, or the address where nothing is near. */
  readonly name: string;
  readonly line: LineSpan | undefined;
  readonly guessed: boolean;
  /** Whether the frame's registers are the CPU's own (the running frame). */
  readonly current: boolean;
}

/** Stack words looked at per level of the search, and frames shown at most. */
const WORDS = 512;
const MOST_FRAMES = 64;
const EFLAGS_VM = 1n << 17n;

export function callStack(target: Target, cpu: Cpu): Frame[] {
  const bits = codeBits(cpu);
  const v86 = (cpu.getFlags() & Number(EFLAGS_VM)) !== 0;
  const top = makeFrame(target, {
    address: cpu.linearIp,
    sp: linearSp(cpu),
    bits,
    cpl: cpu.cpl,
    v86,
    guessed: false,
    current: true,
  });
  const inKernel = target.kernel !== undefined && cpu.cpl < 3;
  const regs = inKernel ? target.kernel!.userRegs(cpu) : undefined;
  const frames = [top, ...callers(target, cpu, top, regs)];
  if (regs !== undefined) frames.push(...userFrames(target, target.kernel!, cpu, regs));
  return frames.slice(0, MOST_FRAMES);
}

type Place = Omit<Frame, "name" | "line">;

function makeFrame({ symbols }: Target, place: Place): Frame {
  const name = symbols.describe(place.address) ?? `0x${BigInt.asUintN(64, BigInt(place.address)).toString(16)}`;
  return { ...place, name, line: symbols.lineAt(place.address) };
}

/** The interrupted user code, from pt_regs, and its callers. Absent while pt_regs is not yet complete (CS of ring 0 or zero). */
function userFrames(target: Target, kernel: KernelAccess, cpu: Cpu, regs: Addr): Frame[] {
  const { ptRegs, wordSize } = kernel.layout;
  const read = (name: string) => {
    const field = ptRegs[name];
    return field === undefined ? undefined : peekValue(cpu, regs + field.offset, field.size);
  };
  const [ip, cs, flags, sp] = [read("ip"), read("cs"), read("flags"), read("sp")];
  if (ip === undefined || cs === undefined || flags === undefined || sp === undefined) return [];
  const v86 = (flags & EFLAGS_VM) !== 0n;
  if (!v86 && (cs & 3n) !== 3n) return [];
  const longMode = wordSize === 8 && Number(cs & 0xffffn) === kernel.layout.selectors.__USER_CS;
  const bits = v86 ? 16 : longMode ? 64 : 32;
  const address = v86 ? Number((cs & 0xffffn) << 4n) + Number(ip & 0xffffn) : toAddr(ip);
  if (address === undefined) return [];
  const frame = makeFrame(target, { address, sp: toAddr(sp) ?? 0, bits, cpl: 3, v86, guessed: false, current: false });
  return [frame, ...callers(target, cpu, frame, undefined)];
}

const toAddr = (value: bigint): Addr | undefined =>
  isCanonical(Number(BigInt.asIntN(32, value >> 32n))) ? bigToAddr(value) : undefined;

/** Callers by call sites: stack words that point just behind a CALL in code we have a name for. `end` bounds the search. */
function callers(target: Target, cpu: Cpu, from: Frame, end: Addr | undefined): Frame[] {
  const width = from.bits / 8;
  const frames: Frame[] = [];
  const limit = Math.min(from.sp + WORDS * width, end ?? Number.POSITIVE_INFINITY);
  for (let sp = from.sp; sp < limit && frames.length < MOST_FRAMES; sp += width) {
    const word = peekValue(cpu, sp, width);
    if (word === undefined) break;
    const address = toAddr(word);
    if (address === undefined || !isReturnAddress(target, cpu, address, from.bits)) continue;
    const place = {
      address,
      sp: sp + width,
      bits: from.bits,
      cpl: from.cpl,
      v86: from.v86,
      guessed: true,
      current: false,
    };
    frames.push(makeFrame(target, place));
  }
  return frames;
}

/** A call's length is 2 to 7 bytes: some start before `address` must decode to a CALL that ends exactly there. */
function isReturnAddress({ symbols }: Target, cpu: Cpu, address: Addr, bits: 16 | 32 | 64): boolean {
  if (symbols.lineAt(address - 1)?.bits === undefined && symbols.nearest(address) === undefined) return false;
  for (let length = 2; length <= 7; length++) {
    const bytes = peekBytes(cpu, address - length, length);
    if (bytes.length !== length) continue;
    const found = instructionAt(bytes, bits);
    if (found.length === length && found.flow === "call") return true;
  }
  return false;
}
