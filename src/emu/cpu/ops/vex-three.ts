/** VEX operations whose destination is a source too, so that there are three: how their operands come and go. */
import { computed, type Operation } from "../operation.ts";
import { checkAvx, DST, immediate, Lanes, loadLanes, loadWide, SRC, storeLanes } from "./sse-lanes.ts";
import { vexBytes } from "./vex.ts";

/** Computes d from d, a and b, 128 bits each. */
export type Three = (d: Lanes, a: Lanes, b: Lanes, imm: number) => void;

const MIDDLE = new Lanes(new Lanes());

/** Memory, the last operand, comes first: nothing faults after it. */
export const three = (fn: Three): Operation =>
  computed((cpu, insn) => {
    checkAvx(cpu);
    const wide = vexBytes(insn) === 32;
    for (const [i, lanes] of [
      [2, SRC],
      [1, MIDDLE],
      [0, DST],
    ] as const) {
      if (wide) loadWide(cpu, insn, i, lanes);
      else loadLanes(cpu, insn, i, lanes, 16, false);
    }
    fn(DST, MIDDLE, SRC, immediate(insn));
    if (wide) fn(DST.upper!, MIDDLE.upper!, SRC.upper!, immediate(insn));
    storeLanes(cpu, insn, 0, DST, 16);
  });
