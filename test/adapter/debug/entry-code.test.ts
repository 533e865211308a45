/**
 * The call stack at each instruction of the kernels' entry code that a set of programs comes to, against a shadow stack: of both kernels, under
 * the presets of older ones and other designs, with interrupts, NMIs and machine checks on the way. What no run comes to is counted.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { describe, expect, it } from "vitest";
import { readConfiguration } from "../../../src/adapter/debug/configuration.ts";
import { translate } from "../../../src/adapter/debug/guest-memory.ts";
import { createTarget } from "../../../src/adapter/debug/load.ts";
import { callStack } from "../../../src/adapter/debug/stack.ts";
import type { Target } from "../../../src/adapter/debug/target.ts";
import type { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { OFF } from "../../../src/emu/cpu/layout.ts";
import { ShadowStack } from "./shadow-stack.ts";

const files = { read: async (uri: string) => new Uint8Array(readFileSync(new URL(uri))) };

async function load(name: string, launch: Record<string, unknown>): Promise<Target> {
  const program = pathToFileURL(path.join(import.meta.dirname, `${name}.s`)).href;
  const loaded = await createTarget({ ...readConfiguration({ ...launch, program }), cpus: 1 }, files);
  if (loaded.target === undefined) throw new Error(loaded.problem);
  openGates(loaded.target.machine.currentCpu);
  return loaded.target;
}

const LMA = 0x400;
const WITH_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);

/** Lets user mode raise by INT what has no error code: DPL 3. */
function openGates(cpu: Cpu): void {
  const size = (cpu.get32(OFF.EFER) & LMA) === 0 ? 8 : 16;
  for (let vector = 0; vector < 20; vector++) {
    const at = translate(cpu, cpu.getAddr(OFF.IDTR_BASE) + vector * size + 5)!;
    if (!WITH_ERROR_CODE.has(vector)) cpu.core.u8[cpu.core.ramBase + at]! |= 0x60;
  }
}

/** The source line of an instruction of entry code, by way of the macros that it is from. */
function instructionAt(target: Target, address: number): string | undefined {
  const line = target.symbols(target.machine.currentCpu).lineAt(address);
  if (line?.bits === undefined || !/\/entry\/.*\.S$/.test(line.uri)) return undefined;
  return [line, ...(line.bodies ?? [])].map((at) => `${path.basename(at.uri)}:${at.line + 1}`).join(" < ");
}

/** All of entry code that this kernel has. */
function entryCode(target: Target): string[] {
  const symbols = target.symbols(target.machine.currentCpu);
  const { index } = symbols.parts.find(({ key }) => key === "kernel")!;
  const kernel = index.all.map(({ address }) => address).filter((address) => address < 0 || address > 0xc000_0000);
  const found: string[] = [];
  for (let at = Math.min(...kernel); at <= Math.max(...kernel); ) {
    const line = symbols.lineAt(at);
    const instruction = instructionAt(target, at);
    if (instruction !== undefined) found.push(instruction);
    at = line?.end ?? at + 1;
  }
  return found;
}

const injected = (...points: string[]) =>
  points.map((point) => {
    const [at, event, count] = point.split(" ");
    return { at, event, count: Number(count) };
  });
const INJECT = injected("handler nmi 2", "handler mc 3", "handler irq:40 4", "handler irq:253 5", "handler irq:255 5");
const WIDE = { arch: "x86_64", cpu: "intel", seed: 1, inject: INJECT };
const RUNS: readonly (readonly [string, Record<string, unknown>])[] = [
  ["entry-64", WIDE],
  ["entry-64", { ...WIDE, kernel: { preset: "linux-3.14" } }],
  ["entry-64", { ...WIDE, kernel: { preset: "linux-4.0", preempt: "full" } }],
  ["entry-64", { ...WIDE, cpu: "amd", kernel: { preset: "linux-4.6" } }],
  ["entry-64", { ...WIDE, kernel: { pti: "on" } }],
  ["entry-64", { ...WIDE, kernel: { nmi: "plain", exitPaths: "conditional-swapgs" } }],
  ["entry-64", { ...WIDE, kernel: { espfix: "prototype", exitPaths: "tif-iret" } }],
  ["entry-32", { arch: "i386", bits: 32, cpu: "intel", seed: 1, inject: INJECT }],
];
const MOST_STEPS = 14_000;

describe("the call stack in entry code", () => {
  it.each(RUNS)(
    "is that of a shadow stack at every instruction that %s comes to: %j",
    { timeout: 300_000 },
    async (name, launch) => {
      const target = await load(name, launch);
      // the handler says where the program goes on, which the call stack knows beforehand
      const shadow = new ShadowStack(target, true);
      const { currentCpu: cpu } = target.machine;
      const code = entryCode(target);
      const compared = new Set<string>();
      const wrong: string[] = [];
      while (cpu.cpl < 3) target.run(1);
      shadow.begin();
      for (let steps = 0; steps < MOST_STEPS && shadow.step().kind === "budget" && !shadow.switching; steps++) {
        const place = cpu.cpl < 3 ? instructionAt(target, cpu.linearIp) : undefined;
        if (place === undefined || compared.has(place)) continue;
        compared.add(place);
        const frames = callStack(target, cpu);
        const actual = frames.slice(1).flatMap((frame) => (frame.name === "repeat_nmi" ? [] : [frame.address]));
        if (!shadow.agrees(actual) && shadow.movedOn(actual) === undefined)
          wrong.push(`${place}: ${frames.map((frame) => frame.name)}, expected ${shadow.callers}`);
      }
      expect(wrong.slice(0, 12)).toEqual([]);
      expect(compared.size / code.length, `${compared.size} of ${code.length}`).toBeGreaterThan(0.2);
    },
  );
});
