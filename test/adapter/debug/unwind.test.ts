/**
 * The call stack, instruction by instruction, against a shadow stack that is kept by what was really executed: calls, returns,
 * entries into the kernel and exits, signals. Both kernels' entry code is stepped through with the programs.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { readConfiguration } from "../../../src/adapter/debug/configuration.ts";
import { createTarget } from "../../../src/adapter/debug/load.ts";
import { callStack } from "../../../src/adapter/debug/stack.ts";
import type { Target } from "../../../src/adapter/debug/target.ts";
import type { Injection } from "../../../src/emu/kernel/types.ts";
import type { MachineEvent } from "../../../src/emu/machine/types.ts";
import { MovedOn } from "./moved-on.ts";
import { ShadowStack } from "./shadow-stack.ts";

const SCENARIOS = path.join(import.meta.dirname, "../../../scenarios");
const MOST_STEPS = Number(process.env.UNWIND_STEPS ?? 600);

const files = {
  async read(uri: string) {
    return new Uint8Array(readFileSync(new URL(uri)));
  },
};

async function targetOf(name: string, inject: readonly Injection[] = []): Promise<Target> {
  const { program, launch } = JSON.parse(readFileSync(path.join(SCENARIOS, name, "scenario.json"), "utf8"));
  const configuration = readConfiguration({
    ...launch,
    inject: [...(launch.inject ?? []), ...inject],
    program: `file://${path.join(SCENARIOS, name, program)}`,
  });
  // one CPU: the shadow stack follows one thread of control
  const loaded = await createTarget({ ...configuration, cpus: 1 }, files);
  if (loaded.target === undefined) throw new Error(loaded.problem);
  return loaded.target;
}

/** Steps through the program and counts, by place, where, once it has begun, the call stack is not the shadow stack. */
function disagreements(
  target: Target,
  steps: number,
  hasBegun = () => true,
): { seen: number; wrong: Map<string, string> } {
  const shadow = new ShadowStack(target);
  const wrong = new Map<string, string>();
  const moved = new MovedOn();
  let seen = 0;
  while (target.machine.currentCpu.cpl < 3) if (target.run(1).kind === "exit") break;
  shadow.begin();
  while (seen < steps) {
    const reason = shadow.step();
    if (reason.kind !== "budget" || shadow.switching) break;
    if (!hasBegun()) continue;
    seen++;
    const { currentCpu: cpu } = target.machine;
    for (const { place, text } of moved.settle(cpu)) if (!wrong.has(place)) wrong.set(place, text);
    const frames = callStack(target, cpu);
    const actual = shadow.told(frames);
    if (shadow.agrees(actual)) continue;
    const place = target.symbols(cpu).describe(cpu.linearIp) ?? cpu.linearIp.toString(16);
    const named = (addresses: readonly (number | undefined)[]) =>
      addresses
        .map((at) => (at === undefined ? "?" : (target.symbols(cpu).describe(at) ?? at.toString(16))))
        .join(" < ");
    const text = `step ${seen}: [${named(actual)}], expected [${named(shadow.callers)}]`;
    const to = shadow.movedOn(actual);
    if (to !== undefined) moved.expect({ place, text, to, frames });
    else if (!wrong.has(place)) wrong.set(place, text);
  }
  return { seen, wrong };
}

describe("the call stack is that of a shadow stack", () => {
  for (const name of readdirSync(SCENARIOS)) {
    it(`at every instruction of ${name}`, async () => {
      const { seen, wrong } = disagreements(await targetOf(name), MOST_STEPS);
      expect(seen).toBeGreaterThan(100);
      expect([...wrong].slice(0, 12)).toEqual([]);
    });
  }
});

/** Entry points that a scenario's program comes by, first ones first. */
const ENTRIES: Readonly<Record<string, readonly string[]>> = {
  espfix: ["entry_SYSCALL_64", "asm_int80_emulation", "asm_exc_int3", "asm_exc_page_fault"],
  "espfix-refused": ["asm_exc_general_protection", "asm_exc_double_fault"],
  "mixed-mode": ["entry_SYSENTER_compat"],
  preempt: ["asm_sysvec_apic_timer_interrupt"],
  sysret: ["asm_exc_debug"],
  audit: ["system_call"],
  "exit-loop": ["ia32_syscall"],
  pti: ["entry_SYSCALL_64", "asm_int80_emulation", "asm_exc_page_fault"],
  espfix32: ["entry_INT80_32"],
  vm86: ["entry_INT80_32", "asm_exc_page_fault", "asm_exc_general_protection", "asm_exc_invalid_op"],
};
/** Steps that are compared from there on. */
const STEPS_BEHIND = 150;

describe("the call stack is that of a shadow stack where the first instruction is struck", () => {
  const strike = async (name: string, inject: readonly Injection[]) => {
    const target = await targetOf(name, inject);
    let struck = 0;
    const isOurs = ({ at, event }: MachineEvent) => inject.some((own) => own.at === at && own.event === event);
    target.machine.events.listen((event) => void (struck += Number(isOurs(event))), ["inject"]);
    const isOver = () => struck === inject.length;
    const { seen, wrong } = disagreements(target, STEPS_BEHIND, isOver);
    expect(struck).toBe(inject.length);
    expect(seen).toBeGreaterThan(20);
    expect([...wrong].slice(0, 12)).toEqual([]);
  };

  for (const [name, labels] of Object.entries(ENTRIES)) {
    it.each(labels.flatMap((at) => ["nmi", "mc"].map((event) => [at, event] as const)))(
      `of %s by %s, in ${name}`,
      (at, event) => strike(name, [{ at, event, count: 1 }]),
    );
  }

  it.each([
    ["nmi", "asm_exc_nmi", "mc"],
    ["mc", "asm_exc_machine_check", "nmi"],
  ])("of an entry by %s itself: at %s, by %s", (first, at, event) =>
    strike("mixed-mode", [
      { at: "entry_SYSCALL_64", event: first, count: 1 },
      { at, event, count: 1 },
    ]),
  );
});
