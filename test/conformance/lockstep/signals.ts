/** The signal with which Linux answers an exception from user mode: number, si_code and si_addr (arch/x86's handlers, as a table). */
import { VECTOR } from "../../../src/emu/cpu/fault.ts";

export const SIGNAL = { ILL: 4, TRAP: 5, BUS: 7, FPE: 8, SEGV: 11 } as const;
const SI_KERNEL = 0x80;
const FPE = { DIV: 3, OVF: 4, UND: 5, RES: 6, INV: 7 } as const;
const SEGV = { MAPERR: 1, ACCERR: 2 } as const;

/** Where si_addr comes from: nowhere, the instruction, CR2. */
type Address = "none" | "ip" | "cr2";

interface Row {
  readonly signal: number;
  readonly code: number;
  readonly address: Address;
}

const ROWS: Readonly<Record<number, Row>> = {
  [VECTOR.DE]: { signal: SIGNAL.FPE, code: 1, address: "ip" },
  [VECTOR.BP]: { signal: SIGNAL.TRAP, code: SI_KERNEL, address: "none" },
  [VECTOR.OF]: { signal: SIGNAL.SEGV, code: SI_KERNEL, address: "none" },
  [VECTOR.BR]: { signal: SIGNAL.SEGV, code: SI_KERNEL, address: "none" },
  [VECTOR.UD]: { signal: SIGNAL.ILL, code: 2, address: "ip" },
  [VECTOR.NP]: { signal: SIGNAL.BUS, code: SI_KERNEL, address: "none" },
  [VECTOR.SS]: { signal: SIGNAL.BUS, code: SI_KERNEL, address: "none" },
  [VECTOR.GP]: { signal: SIGNAL.SEGV, code: SI_KERNEL, address: "none" },
  [VECTOR.PF]: { signal: SIGNAL.SEGV, code: SEGV.MAPERR, address: "cr2" },
  [VECTOR.MF]: { signal: SIGNAL.FPE, code: 0, address: "ip" },
  [VECTOR.AC]: { signal: SIGNAL.BUS, code: 1, address: "none" },
  [VECTOR.XM]: { signal: SIGNAL.FPE, code: 0, address: "ip" },
};

/** The first of the unmasked exceptions, in Linux's order, from flag bits in the order of the status words. */
function floatingCode(raised: number): number {
  if (raised & 1) return FPE.INV;
  if (raised & 4) return FPE.DIV;
  if (raised & 8) return FPE.OVF;
  if (raised & 0x12) return FPE.UND;
  return raised & 0x20 ? FPE.RES : 0;
}

export interface Raised {
  readonly vector: number;
  readonly errorCode: number;
  readonly cr2: bigint;
  readonly ip: bigint;
  readonly fcw: number;
  readonly fsw: number;
  readonly mxcsr: number;
}

export function signalOf(raised: Raised): { signal: number; code: number; address: bigint } {
  const row = ROWS[raised.vector];
  if (!row) return { signal: -1, code: raised.vector, address: 0n };
  const address = row.address === "ip" ? raised.ip : row.address === "cr2" ? raised.cr2 : 0n;
  return { signal: row.signal, code: codeOf(row, raised), address };
}

function codeOf(row: Row, { vector, errorCode, cr2, fcw, fsw, mxcsr }: Raised): number {
  if (vector === VECTOR.MF) return floatingCode(fsw & ~fcw);
  if (vector === VECTOR.XM) return floatingCode(mxcsr & ~(mxcsr >> 7));
  // Nothing of the kernel's half is mapped as far as a program is told.
  if (vector === VECTOR.PF && errorCode & 1 && cr2 >> 63n === 0n) return SEGV.ACCERR;
  return row.code;
}
