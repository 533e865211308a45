/** What a task switch of the processor has interrupted: its registers are in the TSS that the one running now has a link to (SDM 3A, 8.2.1). */
import { EFER, GPR, OFF, SEG } from "../../../emu/cpu/layout.ts";
import { TSS32 } from "../../../emu/cpu/system/task.ts";
import { peekValue } from "../guest-memory.ts";
import { type Place, STACK_REACH } from "./place.ts";
import { modeFor, segmentOf } from "./segments.ts";

const { word, ip: IP, flags: FLAGS, gprs: GPRS, segments: SEGMENTS } = TSS32;
const LINK = 0;
const GENERAL = 8;

/** undefined: the code at `from` is of no task that another one was interrupted for. */
export function interruptedTask(from: Place): Place | undefined {
  const { cpu } = from;
  if ((cpu.get32(OFF.EFER) & EFER.LMA) !== 0) return undefined;
  const running = cpu.segBase(SEG.TR);
  const [link, top] = [peekValue(cpu, running + LINK, 2), peekValue(cpu, running + GPRS + GPR.RSP * word, word)];
  if (top === undefined || from.sp === undefined || Math.abs(from.sp - Number(top)) > STACK_REACH) return undefined;
  const tss = link === undefined || link === 0n ? undefined : segmentOf(cpu, Number(link), false);
  if (tss === undefined) return undefined;
  const read = (offset: number) => peekValue(cpu, tss.base + offset, word);
  const [ip, flags, cs, ss] = [IP, FLAGS, SEGMENTS + SEG.CS * word, SEGMENTS + SEG.SS * word].map(read);
  if (ip === undefined || flags === undefined || cs === undefined) return undefined;
  const mode = modeFor(from, cs, ss, flags);
  if (mode === undefined) return undefined;
  const to = from.at(mode, ip);
  for (let reg = 0; reg < GENERAL; reg++) to.regs[reg] = read(GPRS + reg * word);
  to.flags = Number(flags) | 0;
  to.flagsKnown = -1;
  return to;
}
