/** An instruction as IR: from its operation's body, or as a helper call. Also what a block builder asks about IR. */

import type { CpuModel } from "./cpu.ts";
import { conditionReads } from "./flags.ts";
import { IrBuilder } from "./ir/builder.ts";
import type { IrInsn, Statement, Value } from "./ir/types.ts";
import { ARITH_FLAGS } from "./layout.ts";
import type { Insn } from "./operation.ts";
import { operationOf } from "./ops/index.ts";

export function lowerInsn(insn: Insn, mode: number, csLimit: number, model?: CpuModel["model"]): IrInsn {
  const b = new IrBuilder(insn, mode, csLimit);
  const operation = operationOf(insn, model);
  if ("lower" in operation) operation.lower(b, insn);
  else b.helper(operation.helper, operation.ends);
  return b.finish();
}

/** Address (in CS) of the instruction after this one, as halves. */
export function nextIp(insn: Insn): readonly [number, number] {
  const sum = (insn.ipLow >>> 0) + insn.length;
  return [sum | 0, insn.bits === 64 ? (insn.ipHigh + (sum > 0xffff_ffff ? 1 : 0)) | 0 : 0];
}

/** How an instruction ends its block: not at all, by a jump, or by a helper after which anything may be different. */
export type Ending = "none" | "jump" | "system";
export function endingOf(ir: IrInsn): Ending {
  const last = ir.statements[ir.statements.length - 1];
  if (last?.op === "jump") return "jump";
  return last?.op === "helper" && last.ends ? "system" : "none";
}

/** Arithmetic flags that a value reads. */
function flagsRead(v: Value): number {
  switch (v.op) {
    case "condition":
      return conditionReads(v.cc);
    case "eflags":
      return v.mask & ARITH_FLAGS;
    case "select":
      return flagsRead(v.test) | flagsRead(v.a) | flagsRead(v.b);
    case "const":
    case "reg":
    case "temp":
    case "segbase":
      return 0;
    default:
      return flagsRead(v.a) | ("b" in v ? flagsRead(v.b) : 0);
  }
}

function statementReads(s: Statement): number {
  switch (s.op) {
    case "let":
    case "setreg":
    case "flagbits":
      return flagsRead(s.value) | ("when" in s && s.when ? flagsRead(s.when) : 0);
    case "flags":
      return flagsRead(s.result) | flagsRead(s.a) | flagsRead(s.b) | (s.when ? flagsRead(s.when) : 0);
    case "jump":
      return s.test ? flagsRead(s.test) : 0;
    default:
      return ARITH_FLAGS;
  }
}

/** What an instruction does to the flags: those it reads (all, if it may fault or stop the block) and those it surely replaces. */
export function flagUse(ir: IrInsn): { readonly reads: number; readonly writes: number; readonly barrier: boolean } {
  let reads = 0;
  let writes = 0;
  let barrier = false;
  for (const s of ir.statements) {
    reads |= statementReads(s);
    if (s.op === "load" || s.op === "store" || s.op === "helper" || s.op === "checktarget") barrier = true;
    if ((s.op === "flags" || s.op === "flagbits") && !s.when) writes |= s.mask & ARITH_FLAGS;
  }
  return { reads, writes, barrier };
}

/** Per instruction of a block: are the flags it sets replaced before anyone can see them? */
export function deadFlags(block: readonly IrInsn[]): boolean[] {
  const dead: boolean[] = [];
  let live = ARITH_FLAGS;
  for (let i = block.length - 1; i >= 0; i--) {
    const { reads, writes, barrier } = flagUse(block[i]!);
    const all = block[i]!.statements.some((s) => s.op === "flagbits" && (s.mask & ~ARITH_FLAGS) !== 0);
    dead[i] = !barrier && !all && writes !== 0 && (live & writes) === 0;
    live = barrier ? ARITH_FLAGS : (live & ~writes) | reads;
  }
  return dead;
}
