/** Why a signal has come, from its si_code, in words. */
import { SI_CODE } from "../../emu/kernel/abi/signal.ts";
import type { MachineEvent } from "../../emu/machine/types.ts";

/** By signal: what a code of the kernel's own means. */
const REASONS: Readonly<Record<string, Readonly<Record<number, (at: string) => string>>>> = {
  SIGSEGV: {
    [SI_CODE.SEGV_MAPERR]: (at) => `nothing is mapped at ${at}`,
    [SI_CODE.SEGV_ACCERR]: (at) => `what is mapped at ${at} does not allow that`,
  },
  SIGBUS: { [SI_CODE.BUS_ADRERR]: (at) => `there is no memory behind ${at}` },
  SIGFPE: {
    [SI_CODE.FPE_INTDIV]: () => "a division by zero, or a quotient that is too large for its register",
    [SI_CODE.FPE_INTOVF]: () => "an integer overflow",
    [SI_CODE.FPE_FLTDIV]: () => "a floating-point division by zero",
    [SI_CODE.FPE_FLTOVF]: () => "a floating-point overflow",
    [SI_CODE.FPE_FLTUND]: () => "a floating-point underflow",
    [SI_CODE.FPE_FLTRES]: () => "an inexact floating-point result",
    [SI_CODE.FPE_FLTINV]: () => "an invalid floating-point operation",
  },
  SIGILL: { [SI_CODE.ILL_ILLOPN]: (at) => `there is no such instruction at ${at}` },
  SIGTRAP: {
    [SI_CODE.TRAP_BRKPT]: () => "a breakpoint instruction",
    [SI_CODE.TRAP_TRACE]: () => "a single step",
    [SI_CODE.TRAP_HWBKPT]: () => "a debug register",
  },
};

/** Codes that any signal can have. */
const SENT: Readonly<Record<number, string>> = {
  [SI_CODE.SI_USER]: "sent by kill()",
  [SI_CODE.SI_TKILL]: "sent by tgkill()",
  [SI_CODE.SI_QUEUE]: "sent by sigqueue()",
  [SI_CODE.SI_TIMER]: "a timer",
  [SI_CODE.SI_KERNEL]: "the kernel's: an exception without an address, such as #GP",
};

/** "ends the program: nothing is mapped at 0x10" of an event of type "signal". */
export function signalText({ step, signal, code, addr }: MachineEvent): string {
  const what = step === "default" ? "ends the program" : step === "handler" ? "goes to its handler" : "raised";
  const reason = REASONS[String(signal)]?.[Number(code)]?.(String(addr)) ?? SENT[Number(code)] ?? `si_code ${code}`;
  return `${what}: ${reason}`;
}
