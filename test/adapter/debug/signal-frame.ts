/** A signal's frame as the kernel has just made it: where it says that the handler's end goes, and whatever that becomes until then. */
import { peekValue } from "../../../src/adapter/debug/guest-memory.ts";
import type { Target } from "../../../src/adapter/debug/target.ts";
import { segmentOf } from "../../../src/adapter/debug/unwind/segments.ts";
import type { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { type Addr, addrToBig, bigToAddr } from "../../../src/emu/cpu/state.ts";
import {
  RT_SIGFRAME_64,
  RT_SIGFRAME_IA32,
  SIGCONTEXT_32,
  SIGCONTEXT_64,
  SIGFRAME_IA32,
  UCONTEXT_32,
  UCONTEXT_64,
} from "../../../src/emu/kernel/abi/sigcontext.ts";

const IP_64 = RT_SIGFRAME_64.offset.uc + UCONTEXT_64.offset.uc_mcontext + SIGCONTEXT_64.offset.ip;
const CS_64 = IP_64 - SIGCONTEXT_64.offset.ip + SIGCONTEXT_64.offset.cs;
const CONTEXT_32 = SIGFRAME_IA32.offset.sc;
const RT_CONTEXT_32 = RT_SIGFRAME_IA32.offset.uc + UCONTEXT_32.offset.uc_mcontext;

const USER_CS_64 = 0x33n;
const IN_LDT = 4n;

export interface SignalFrame {
  /** Where the handler returns to. */
  readonly restorer: Addr | undefined;
  /** Where the kernel goes on then, by what the frame holds now; undefined if it cannot be read. */
  readonly saved: () => Addr | undefined;
  /** Whether user mode is to go on there, as far as pt_regs says. */
  readonly isRestored: () => boolean;
}

/** Of the handler that pt_regs says user mode is to go on with. */
export function signalFrame({ kernel }: Target, cpu: Cpu): SignalFrame {
  const { ip, sp, cs } = kernel!.layout.ptRegs;
  const read = (address: Addr, bytes: number) => peekValue(cpu, address, bytes);
  const ofRegs = (field: typeof sp) => read(kernel!.userRegs(cpu) + field!.offset, field!.size)!;
  const isWide = (ofRegs(cs) & 0xffffn) === USER_CS_64;
  const bytes = isWide ? 8 : 4;
  const frame = bigToAddr(isWide ? ofRegs(sp) : BigInt.asUintN(32, ofRegs(sp)));
  const isRt = read(frame + RT_SIGFRAME_IA32.offset.pinfo, 4) === BigInt(frame + RT_SIGFRAME_IA32.offset.info);
  const context = frame + (isRt ? RT_CONTEXT_32 : CONTEXT_32);
  const at = isWide
    ? { ip: frame + IP_64, cs: frame + CS_64 }
    : { ip: context + SIGCONTEXT_32.offset.ip, cs: context + SIGCONTEXT_32.offset.cs };
  const restorer = read(frame, bytes);
  const saved = () => {
    const [offset, selector] = [read(at.ip, bytes), read(at.cs, 2)];
    if (offset === undefined || selector === undefined) return undefined;
    if ((selector & IN_LDT) === 0n) return bigToAddr(offset);
    const base = segmentOf(cpu, Number(selector), false)?.base ?? 0;
    return Number(BigInt.asUintN(32, addrToBig(base) + offset));
  };
  const isRestored = () => ofRegs(ip) === read(at.ip, bytes);
  return { restorer: restorer === undefined ? undefined : bigToAddr(restorer), saved, isRestored };
}
