/**
 * "Who last wrote this?": the last instruction or up-call that wrote a range of memory, changed a bit of it, or wrote a register.
 * Memory is watched while the past is replayed, at full speed; for a register, ever longer stretches are stepped through.
 */
import { fileNameOf } from "../../asmlang/core/uri.ts";
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { allBits, DataBreakpoints, type DataPlace } from "./data-breakpoints.ts";
import type { History } from "./history.ts";
import { realText } from "./real.ts";
import type { Reference } from "./reference.ts";
import type { RunControl } from "./run-control.ts";
import { lastMoment } from "./search.ts";

export interface LastWrite {
  /** The instant before the write. */
  readonly icount: number;
  /** "0x0 -> 0x2" */
  readonly change: string;
  /** "syscall_32_enter", or the place of the instruction: "loop+0x4 (loop.asm:12)". */
  readonly by: string;
}

/** undefined: not written since history began. "paused": the user stopped the search. The machine is back where it was. */
type Answer = LastWrite | "paused" | undefined;

export function lastWriter(control: RunControl, history: History, place: DataPlace): Promise<Answer> {
  return searching(control, history, async (end) => {
    const data = new DataBreakpoints();
    // of a whole value every write counts; of some bits, only one that changes them
    const access = place.mask === allBits(place.bytes) ? "everyWrite" : "write";
    data.replace([{ ...place, id: 0, access }], control.view);
    const moment = await lastMoment(
      control,
      history,
      { armed: { addresses: new Set(), data }, judge: (met) => (met.kind === "data" ? met.hit : undefined) },
      end,
    );
    if (typeof moment !== "object") return moment;
    await history.goTo(moment.icount, async () => false);
    const { change, by } = moment.found;
    return { icount: moment.icount, change, by: by ?? describeHere(control) };
  });
}

/** First stretch looked through for a register's last change; each next one is longer. */
const FIRST_STRETCH = 256;
const STRETCH_GROWS = 8;
const LONGEST_STRETCH = 4_000_000;

/** The last instruction of `cpu` that changed what `reference`, one of its registers, reads. */
export function lastChange(control: RunControl, history: History, cpu: Cpu, reference: Reference): Promise<Answer> {
  return searching(control, history, async (end) => {
    let until = end;
    for (
      let stretch = FIRST_STRETCH;
      until > history.start;
      stretch = Math.min(stretch * STRETCH_GROWS, LONGEST_STRETCH)
    ) {
      const start = Math.max(history.start, until - stretch);
      const behind = end - until;
      await history.goTo(start, async () => false);
      const found = await lastChangeBefore(until, control, cpu, reference, (instructions) =>
        control.onProgress((behind + instructions) / (end - history.start)),
      );
      if (found !== undefined) return found;
      until = start;
    }
    return undefined;
  });
}

/** Instructions between two looks at the clock. */
const AT_ONCE = 2000;

/** From where the machine stands. @param progress takes the instructions that have been looked through. */
async function lastChangeBefore(
  end: number,
  control: RunControl,
  cpu: Cpu,
  reference: Reference,
  progress: (instructions: number) => void,
): Promise<Answer> {
  const { machine } = control.target;
  const start = machine.icount;
  let last: LastWrite | undefined;
  while (machine.icount < end) {
    const from = machine.icount;
    last = lastChangeTo(Math.min(end, from + AT_ONCE), control, cpu, reference) ?? last;
    if (machine.icount === from) break; // the program ended here
    if (await control.breathe()) return "paused";
    progress(machine.icount - start);
  }
  return last;
}

/** One instruction after the other. */
function lastChangeTo(end: number, control: RunControl, cpu: Cpu, reference: Reference): LastWrite | undefined {
  const { target } = control;
  const { machine } = target;
  let last: LastWrite | undefined;
  let value = reference.read();
  while (machine.icount < end) {
    const icount = machine.icount;
    const by = cpu.linearIp;
    target.run(1);
    if (machine.icount === icount) break;
    const now = reference.read();
    if (now !== value)
      last = { icount, change: `${shown(reference, value)} -> ${shown(reference, now)}`, by: describe(control, by) };
    value = now;
  }
  return last;
}

function shown({ bits, real }: Reference, value: bigint | undefined): string {
  if (value === undefined) return "nothing";
  return real ? realText(value, bits) : `0x${value.toString(16)}`;
}

/** Replays silently, and comes back to the present instant. */
function searching(control: RunControl, history: History, find: (end: number) => Promise<Answer>): Promise<Answer> {
  const end = control.target.machine.icount;
  return control.whileReplaying(async () => {
    const answer = await find(end);
    await history.goTo(end, async () => false);
    return answer;
  });
}

const describeHere = (control: RunControl): string => describe(control, control.cpu.linearIp);

function describe({ target, cpu }: RunControl, address: number): string {
  const symbols = target.symbols(cpu);
  const name = symbols.describe(address) ?? `0x${BigInt.asUintN(64, BigInt(address)).toString(16)}`;
  const line = symbols.lineAt(address);
  const file = line && fileNameOf(line.uri);
  return line === undefined ? name : `${name} (${file}:${line.line + 1})`;
}
