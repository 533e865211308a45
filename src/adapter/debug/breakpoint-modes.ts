/**
 * Places that are no linear address: physical memory, met through whatever alias it is run by, and a selector with an offset, met only by
 * code whose CS holds that selector.
 */
import type { Cpu } from "../../emu/cpu/cpu.ts";
import { OFF, SEG } from "../../emu/cpu/layout.ts";
import { type Addr, addrToBig } from "../../emu/cpu/state.ts";
import { isParagraphMode } from "../../emu/cpu/system/predicates.ts";
import { segmentOf } from "./unwind/segments.ts";

export type Where =
  | { readonly mode: "physical"; readonly address: number }
  | { readonly mode: "segmented"; readonly selector: number; readonly offset: number };

export type ModeId = "linear" | Where["mode"];

export interface ModeInfo {
  readonly mode: ModeId;
  readonly label: string;
  readonly description: string;
  readonly appliesTo: readonly ("source" | "instruction" | "data")[];
}

export const MODES: readonly ModeInfo[] = [
  {
    mode: "linear",
    label: "Linear address",
    description: "Wherever the address is mapped to; of a line or label, in the program that it is of",
    appliesTo: ["source", "instruction", "data"],
  },
  {
    mode: "physical",
    label: "Physical address",
    description:
      "The memory behind the address now, through every alias of it (espfix stacks have one) and in every process",
    appliesTo: ["source", "instruction", "data"],
  },
  {
    mode: "segmented",
    label: "Selector and offset",
    description: "Code that runs with this CS and IP, as v8086, real-mode and LDT code is known by",
    appliesTo: ["source", "instruction"],
  },
];

/** Whether the CPU is about to run what is there. */
export function standsAt(cpu: Cpu, where: Where): boolean {
  if (where.mode === "physical") return cpu.peekTranslate(cpu.linearIp) === where.address;
  return cpu.selector(SEG.CS) === where.selector && offsetOf(cpu) === where.offset;
}

const offsetOf = (cpu: Cpu): number => cpu.get32(OFF.RIP) >>> 0;

/** Linear addresses at which code of that selector can be: as a paragraph, and as the descriptor tables say now. */
export function linearOf(cpu: Cpu, { selector, offset }: Extract<Where, { mode: "segmented" }>): Addr[] {
  const segment = segmentOf(cpu, selector, false);
  const bases = [selector * 16, ...(segment === undefined ? [] : [segment.base])];
  return bases.map((base) => (base + offset) >>> 0);
}

/** The place of a linear address in a mode, as the CPU sees it now; a text says why there is none. */
export function placeInMode(cpu: Cpu, mode: Where["mode"], address: Addr): Where | string {
  if (mode === "physical") {
    const physical = cpu.peekTranslate(address);
    return physical === undefined
      ? "nothing is mapped there now, so that there is no physical address"
      : { mode, address: physical };
  }
  const offset = Number(BigInt.asUintN(32, addrToBig(address) - addrToBig(cpu.segBase(SEG.CS))));
  const reaches = isParagraphMode(cpu) ? offset <= 0xffff : offset <= cpu.segLimit(SEG.CS) >>> 0;
  const selector = cpu.selector(SEG.CS);
  if (!reaches || address < 0)
    return `the address is not within the code segment that runs now (CS = 0x${selector.toString(16)})`;
  return { mode, selector, offset };
}

/** "0x1000:0x20", in hexadecimal or decimal. */
export function parseSegmented(text: string): Extract<Where, { mode: "segmented" }> | undefined {
  const match = /^\s*(0x[\da-f]+|\d+)\s*:\s*(0x[\da-f]+|\d+)\s*$/i.exec(text);
  if (match === null) return undefined;
  const [selector, offset] = [Number(match[1]), Number(match[2])];
  return selector > 0xffff || offset > 0xffff_ffff ? undefined : { mode: "segmented", selector, offset };
}
