/**
 * Exceptions, interrupts and software interrupts: from the event to the first instruction of its handler, or to a double
 * fault, or to shutdown. Which table is read and what is pushed depends on the mode: deliver-*.ts.
 * Assumes that RIP is the one to be pushed (the run loop has put it back for faults).
 */
import type { Cpu } from "../cpu.ts";
import { Fault, gp, VECTOR } from "../fault.ts";
import { CR4, OFF } from "../layout.ts";
import { deliverLong } from "./deliver-long.ts";
import { deliverProtected } from "./deliver-protected.ts";
import { deliverReal, deliverVirtual8086 } from "./deliver-real.ts";
import type { DeliveryEvent } from "./event.ts";
import { hasCr4, hasVme, iopl, isLongMode, isProtected, isV86 } from "./predicates.ts";
import { type Origin, originAt, originHere, reportTransfer } from "./transfer.ts";
import { redirectionBit } from "./tss.ts";

const WITH_ERROR_CODE: ReadonlySet<number> = new Set([
  VECTOR.DF,
  VECTOR.TS,
  VECTOR.NP,
  VECTOR.SS,
  VECTOR.GP,
  VECTOR.PF,
  VECTOR.AC,
  VECTOR.CP,
]);
const CONTRIBUTORY: ReadonlySet<number> = new Set([VECTOR.DE, VECTOR.TS, VECTOR.NP, VECTOR.SS, VECTOR.GP, VECTOR.CP]);
/** Traps and aborts; every other exception is a fault, which pushes RF = 1. */
const NOT_FAULTS: ReadonlySet<number> = new Set([VECTOR.DB, VECTOR.NMI, VECTOR.BP, VECTOR.OF, VECTOR.DF, VECTOR.MC]);

/** DR6 bits by cause. */
export const DR6 = { B0: 1, B1: 2, B2: 4, B3: 8, BD: 1 << 13, BS: 1 << 14, BT: 1 << 15 } as const;
const DR7_GD = 1 << 13;
/** LBR and BTF: a debug exception ends both. */
const DEBUGCTL_LBR_BTF = 3;

/** A #DB and the DR6 bits that say why; they travel in `addressLow` and reach DR6 on delivery. */
export const debugException = (dr6: number, why: string): Fault => new Fault(VECTOR.DB, 0, why, dr6);

function exceptionEvent(fault: Fault): DeliveryEvent {
  const { vector } = fault;
  const generalDetect = vector === VECTOR.DB && (fault.addressLow & DR6.BD) !== 0;
  return {
    vector,
    kind: "exception",
    errorCode: WITH_ERROR_CODE.has(vector) ? fault.errorCode : undefined,
    ext: 1,
    checkDpl: false,
    resume: generalDetect || !NOT_FAULTS.has(vector),
    why: fault.why,
  };
}

/** What an exception leaves in CR2, DR6 and DR7, whether or not its handler is reached. */
function recordCause(cpu: Cpu, fault: Fault): void {
  if (fault.vector === VECTOR.PF) {
    cpu.set32(OFF.CR2, fault.addressLow);
    cpu.set32(OFF.CR2 + 4, fault.addressHigh);
  } else if (fault.vector === VECTOR.DB) {
    cpu.set32(OFF.DR + 48, (cpu.get32(OFF.DR + 48) & ~0xf) | fault.addressLow);
    cpu.set32(OFF.DR + 56, cpu.get32(OFF.DR + 56) & ~DR7_GD);
    cpu.set32(OFF.DEBUGCTL, cpu.get32(OFF.DEBUGCTL) & ~DEBUGCTL_LBR_BTF);
  }
}

/** SDM volume 3, table "Conditions for Generating a Double Fault". */
function makesDoubleFault(first: DeliveryEvent, second: Fault): boolean {
  if (first.kind !== "exception") return false;
  const contributory = CONTRIBUTORY.has(second.vector);
  if (first.vector === VECTOR.PF) return contributory || second.vector === VECTOR.PF;
  return CONTRIBUTORY.has(first.vector) && contributory;
}

const nameOf = (vector: number): string => {
  const name = Object.entries(VECTOR).find(([, v]) => v === vector)?.[0];
  return name === undefined ? `vector ${vector}` : `#${name}`;
};

function shutdown(cpu: Cpu, why: string): void {
  cpu.set32(OFF.ACTIVITY, 2);
  cpu.shutdownWhy = why;
  cpu.updateMode();
}

/** What is delivered after `second` was raised while delivering `first`; undefined = shutdown. */
function escalate(cpu: Cpu, first: DeliveryEvent, second: Fault): DeliveryEvent | undefined {
  recordCause(cpu, second);
  if (first.kind === "exception" && first.vector === VECTOR.DF) {
    const serious = CONTRIBUTORY.has(second.vector) || second.vector === VECTOR.PF;
    if (serious) return undefined;
  }
  if (!makesDoubleFault(first, second)) return exceptionEvent(second);
  const cause = first.why === undefined ? "" : ` (${first.why})`;
  const why = `${nameOf(second.vector)} while delivering ${nameOf(first.vector)}${cause}: ${second.why}`;
  return exceptionEvent(new Fault(VECTOR.DF, 0, why));
}

function deliverOnce(cpu: Cpu, event: DeliveryEvent, from: Origin): void {
  if (!isProtected(cpu)) deliverReal(cpu, event);
  else if (isLongMode(cpu)) deliverLong(cpu, event);
  else deliverProtected(cpu, event);
  cpu.updateMode();
  const { kind, vector, errorCode, why } = event;
  const details = { vector, ...(errorCode === undefined ? {} : { errorCode }), ...(why === undefined ? {} : { why }) };
  reportTransfer(cpu, kind, from, details);
}

function deliver(cpu: Cpu, first: DeliveryEvent): void {
  const from = originHere(cpu);
  cpu.set32(OFF.ACTIVITY, 0);
  for (let event: DeliveryEvent = first; ; ) {
    try {
      deliverOnce(cpu, event, from);
      return;
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      const next = escalate(cpu, event, thrown);
      if (next === undefined) {
        const why = `${nameOf(thrown.vector)}: ${thrown.why}`;
        shutdown(cpu, `triple fault: while delivering the double fault, ${why}`);
        return;
      }
      event = next;
    }
  }
}

/** Delivers what an instruction raised. RIP: the faulting instruction for faults, the next one for traps. */
export function deliverException(cpu: Cpu, fault: Fault): void {
  if (fault.vector === VECTOR.MC && !hasCr4(cpu, CR4.MCE)) {
    shutdown(cpu, "machine check with CR4.MCE clear");
    return;
  }
  recordCause(cpu, fault);
  deliver(cpu, exceptionEvent(fault));
}

/** Delivers an external interrupt or an NMI between two instructions. */
export function deliverInterrupt(cpu: Cpu, vector: number, kind: "interrupt" | "nmi"): void {
  if (kind === "nmi") cpu.set32(OFF.NMI_BLOCKED, 1);
  deliver(cpu, { vector, kind, errorCode: undefined, ext: 1, checkDpl: false, resume: false });
}

export type SoftwareInterrupt = "int" | "int3" | "into" | "int1";

/** INT n in virtual-8086 mode: whether it goes through the redirection bitmap to the task's own vector table. */
function redirected(cpu: Cpu, vector: number): boolean {
  if (hasVme(cpu) && !redirectionBit(cpu, vector)) return true;
  if (iopl(cpu) < 3) throw gp(0, `INT ${vector} in virtual-8086 mode with IOPL below 3`);
  return false;
}

/** INT n, INT3, INTO, INT1. RIP is that of the next instruction; a Fault thrown from here is the instruction's own. */
export function deliverSoftware(
  cpu: Cpu,
  vector: number,
  form: SoftwareInterrupt,
  ipLow: number,
  ipHigh: number,
): void {
  const from = originAt(cpu, ipLow, ipHigh);
  if (form === "int" && isV86(cpu) && redirected(cpu, vector)) {
    deliverVirtual8086(cpu, vector);
    reportTransfer(cpu, "software-int", from, { vector });
    return;
  }
  const hardware = form === "int1";
  const event: DeliveryEvent = {
    vector,
    kind: "software-int",
    errorCode: undefined,
    ext: hardware ? 1 : 0,
    checkDpl: !hardware,
    resume: false,
  };
  deliverOnce(cpu, event, from);
}
