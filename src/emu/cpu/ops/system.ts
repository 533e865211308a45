/** System operations by mnemonic, and the forms of common mnemonics (MOV, PUSH, POP, JMP, CALL) that are system operations. */
import { Code, Mnemonic } from "../iced.ts";
import { SEG } from "../layout.ts";
import { computed, type Insn, type Operation, type OperationTable, system } from "../operation.ts";
import * as cr from "../system/control-registers.ts";
import { cpuid } from "../system/cpuid.ts";
import { callFar, jumpFar, returnFar } from "../system/far.ts";
import * as flags from "../system/flags-io.ts";
import { iret } from "../system/iret.ts";
import * as moves from "../system/moves.ts";
import { rdmsr, wrmsr } from "../system/msr.ts";
import * as processor from "../system/processor.ts";
import * as soft from "../system/software-interrupts.ts";
import { syscall, sysenter, sysexit, sysret } from "../system/syscall.ts";
import * as tables from "../system/tables.ts";
import * as verify from "../system/verify.ts";
import * as waiting from "../system/waiting.ts";
import { UNIMPLEMENTED } from "./core.ts";

export const systemOperations: OperationTable = {
  // transfers
  Iret: system(iret),
  Iretd: system(iret),
  Iretq: system(iret),
  Retf: system(returnFar),
  Int: system(soft.intN),
  Int3: system(soft.int3),
  Int1: system(soft.int1),
  Into: system(soft.into),
  Bound: computed(soft.bound),
  Syscall: system(syscall),
  Sysret: system(sysret),
  Sysretq: system(sysret),
  Sysenter: system(sysenter),
  Sysexit: system(sysexit),
  Sysexitq: system(sysexit),
  // segments
  Les: system(moves.loadFarPointer(SEG.ES)),
  Lds: system(moves.loadFarPointer(SEG.DS)),
  Lss: system(moves.loadFarPointer(SEG.SS)),
  Lfs: system(moves.loadFarPointer(SEG.FS)),
  Lgs: system(moves.loadFarPointer(SEG.GS)),
  Lar: computed(verify.lar),
  Lsl: computed(verify.lsl),
  Verr: computed(verify.verr),
  Verw: computed(verify.verw),
  Arpl: computed(verify.arpl),
  Lgdt: system(tables.lgdt),
  Lidt: system(tables.lidt),
  Sgdt: computed(tables.sgdt),
  Sidt: computed(tables.sidt),
  Lldt: system(tables.lldt),
  Ltr: system(tables.ltr),
  Sldt: computed(tables.sldt),
  Str: computed(tables.str),
  Swapgs: system(processor.swapgs),
  Rdfsbase: computed(processor.readBase(SEG.FS, "RDFSBASE")),
  Rdgsbase: computed(processor.readBase(SEG.GS, "RDGSBASE")),
  Wrfsbase: system(processor.writeBase(SEG.FS, "WRFSBASE")),
  Wrgsbase: system(processor.writeBase(SEG.GS, "WRGSBASE")),
  // control
  Smsw: computed(cr.smsw),
  Lmsw: system(cr.lmsw),
  Clts: system(cr.clts),
  Hlt: system(processor.hlt),
  Wbinvd: system(processor.wbinvd),
  Wbnoinvd: system(processor.wbnoinvd),
  Invd: system(processor.invd),
  Invlpg: system(processor.invlpg),
  Invpcid: system(processor.invpcid),
  Rdmsr: system(rdmsr),
  Wrmsr: system(wrmsr),
  Rdtsc: system(processor.rdtsc),
  Rdtscp: system(processor.rdtscp),
  Rdpmc: system(processor.rdpmc),
  Rdpid: computed(processor.rdpid),
  Rdrand: computed(processor.random),
  Rdseed: computed(processor.random),
  Cpuid: computed(cpuid),
  Stac: system(processor.stac),
  Clac: system(processor.clac),
  Clflush: computed(processor.clflush),
  Clflushopt: computed(processor.clflush),
  Clwb: computed(processor.clflush),
  Clzero: computed(processor.clzero),
  Rdpru: system(processor.rdpru),
  Monitor: computed(waiting.monitor),
  Mwait: computed(waiting.mwait),
  Monitorx: computed(waiting.monitorx),
  Mwaitx: computed(waiting.mwaitx),
  Umonitor: computed(waiting.umonitor),
  Umwait: computed(waiting.userWait("UMWAIT")),
  Tpause: computed(waiting.userWait("TPAUSE")),
  Serialize: system(processor.serialize),
  // flags and ports
  Pushf: computed(flags.pushf),
  Pushfd: computed(flags.pushf),
  Pushfq: computed(flags.pushf),
  Popf: system(flags.popf),
  Popfd: system(flags.popf),
  Popfq: system(flags.popf),
  Cli: system(flags.cli),
  Sti: system(flags.sti),
  In: system(flags.portIn),
  Out: system(flags.portOut),
};

const MOV_TO_SEG = system(moves.movToSeg);
const MOV_FROM_SEG = computed(moves.movFromSeg);
const PUSH_SEG = computed(moves.pushSeg);
const POP_SEG = system(moves.popSeg);
const MOV_TO_CR = system(cr.movToCr);
const MOV_FROM_CR = computed(cr.movFromCr);
const MOV_TO_DR = system(cr.movToDr);
const MOV_FROM_DR = computed(cr.movFromDr);

const JUMP_FAR = system(jumpFar);
const CALL_FAR = system(callFar);

const JUMPS: ReadonlySet<number> = new Set([
  Code.Jmp_ptr1616,
  Code.Jmp_ptr1632,
  Code.Jmp_m1616,
  Code.Jmp_m1632,
  Code.Jmp_m1664,
]);
const CALLS: ReadonlySet<number> = new Set([
  Code.Call_ptr1616,
  Code.Call_ptr1632,
  Code.Call_m1616,
  Code.Call_m1632,
  Code.Call_m1664,
]);

function movForm(insn: Insn): Operation | undefined {
  const [first, second] = insn.ops;
  if (first?.kind === "seg") return MOV_TO_SEG;
  if (second?.kind === "seg") return MOV_FROM_SEG;
  if (first?.kind === "cr") return MOV_TO_CR;
  if (second?.kind === "cr") return MOV_FROM_CR;
  if (first?.kind === "dr") return MOV_TO_DR;
  if (second?.kind === "dr") return MOV_FROM_DR;
  // The test registers went with the Pentium.
  return first?.kind === "tr" || second?.kind === "tr" ? UNIMPLEMENTED : undefined;
}

/**
 * MOV, PUSH and POP of segment, control, debug and test registers, and far JMP and CALL: forms that share a mnemonic with an
 * ordinary instruction. Undefined for everything else; asked before the tables by mnemonic.
 */
export function systemForm(insn: Insn): Operation | undefined {
  switch (insn.mnemonic) {
    case Mnemonic.Mov:
      return movForm(insn);
    case Mnemonic.Push:
      return insn.ops[0]?.kind === "seg" ? PUSH_SEG : undefined;
    case Mnemonic.Pop:
      return insn.ops[0]?.kind === "seg" ? POP_SEG : undefined;
    case Mnemonic.Jmp:
      return JUMPS.has(insn.code) ? JUMP_FAR : undefined;
    case Mnemonic.Call:
      return CALLS.has(insn.code) ? CALL_FAR : undefined;
    default:
      return undefined;
  }
}
