/**
 * Call stacks of a C program with its library, instruction by instruction, against a shadow stack of what was executed, and at points on the
 * way against gdb's; and what CFI alone says, without any following of code.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readConfiguration } from "../../../src/adapter/debug/configuration.ts";
import { createTarget } from "../../../src/adapter/debug/load.ts";
import { callStack } from "../../../src/adapter/debug/stack.ts";
import type { Target } from "../../../src/adapter/debug/target.ts";
import { callerByCfi } from "../../../src/adapter/debug/unwind/cfi.ts";
import { Place } from "../../../src/adapter/debug/unwind/place.ts";
import { requireTool } from "../../tools.ts";
import { ShadowStack } from "./shadow-stack.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ringside-cfi-"));
const build = (name: string, ...options: string[]): string => {
  const program = path.join(folder, name);
  const flags = ["-O2", "-static", "-g", "-fno-stack-protector", "-fcf-protection=none", ...options];
  execFileSync("gcc", [...flags, "-o", program, path.join(import.meta.dirname, "cfi.c")]);
  return program;
};

async function atMain(program: string): Promise<Target> {
  const configuration = readConfiguration({ program: pathToFileURL(program).href, cpu: { vendor: "intel", count: 1 } });
  const files = { read: async (uri: string) => new Uint8Array(readFileSync(new URL(uri))) };
  const { target } = await createTarget(configuration, files);
  const main = target!.symbols(target!.machine.currentCpu).address("main")!;
  while (target!.machine.currentCpu.linearIp !== main) if (target!.run(1).kind === "exit") throw new Error("no main");
  return target!;
}

const PER_INSTRUCTION = 20_000;

describe.runIf(requireTool("gcc"))("call frame information", () => {
  const programs = new Map<string, string>();
  beforeAll(() => {
    programs.set("x86-64", build("wide"));
    programs.set("i386", build("narrow", "-m32"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  // A 32-bit static program's PLT has no CFI, and what lies behind a call that does not return is guessed from there; the guess
  // says that it is one. At every sixteenth instruction only: it takes long.
  it.each([
    { bits: "x86-64", every: 1, guesses: [] },
    { bits: "i386", every: 16, guesses: ["_init"] },
  ] as { bits: string; every: number; guesses: string[] }[])(
    "finds every caller where code does not tell, from main to the end: $bits",
    { timeout: 300_000 },
    async ({ bits, every, guesses }) => {
      const target = await atMain(programs.get(bits)!);
      const shadow = new ShadowStack(target, false);
      shadow.begin();
      const { currentCpu: cpu } = target.machine;
      const outside = callStack(target, cpu)
        .slice(1)
        .map(({ address }) => address);
      const wrong = new Map<string, string>();
      const guessedIn = new Set<string>();
      let [steps, byCfi] = [0, 0];
      for (; steps < PER_INSTRUCTION && shadow.step().kind === "budget"; steps++) {
        if (cpu.cpl < 3 || steps % every !== 0) continue;
        const callers = callStack(target, cpu).slice(1);
        byCfi += callers.filter(({ found }) => found === "CFI").length;
        const place = target.symbols(cpu).describe(cpu.linearIp)!;
        const guess = callers.findIndex(({ found }) => found === "call site");
        if (guess >= 0) guessedIn.add(place.split("+")[0]!);
        const sure = guess < 0 ? callers : callers.slice(0, guess);
        const all = [...shadow.callers, ...outside];
        const expected = guess < 0 ? all : all.slice(0, guess);
        const actual = sure.map(({ address }) => address);
        if (JSON.stringify(actual) === JSON.stringify(expected)) continue;
        const named = (list: readonly (number | undefined)[]) =>
          list.map((at) => target.symbols(cpu).describe(at ?? 0)).join(" < ");
        wrong.set(place.split("+")[0]!, `${place}: [${named(actual)}], expected [${named(expected)}]`);
      }
      expect([...wrong.values()].slice(0, 10)).toEqual([]);
      expect(steps).toBeGreaterThan(1500);
      expect(byCfi).toBeGreaterThan(100);
      expect([...guessedIn].filter((name) => !guesses.includes(name))).toEqual([]);
    },
  );

  it("of the vDSO is read though nothing has touched its page: a system call that does not return", async () => {
    const target = await atMain(programs.get("i386")!);
    const { currentCpu: cpu } = target.machine;
    while (!/^__kernel_vsyscall\+/.test(target.symbols(cpu).describe(cpu.linearIp)!)) target.run(1);
    const frames = callStack(target, cpu);
    expect(frames.map(({ name }) => name.split("+")[0])).toEqual(
      expect.arrayContaining(["_exit", "exit", "endless", "main"]),
    );
    expect(frames[1]!.found).toBe("CFI");
    expect(frames.some(({ found }) => found === "call site")).toBe(false);
  });

  it("alone gives the caller that following the code gives, wherever both know one", { timeout: 300_000 }, async () => {
    const target = await atMain(programs.get("x86-64")!);
    const { currentCpu: cpu } = target.machine;
    let both = 0;
    for (let steps = 0; steps < 4000 && target.run(1).kind === "budget"; steps++) {
      if (cpu.cpl < 3 || steps % 3 !== 0) continue;
      const [, caller] = callStack(target, cpu);
      const described = callerByCfi(Place.of(cpu), { frames: target.spaces.of(cpu).ehFrame }, false);
      if (caller?.found !== "code" || described === undefined || described === "outermost") continue;
      expect(described.to.address, target.symbols(cpu).describe(cpu.linearIp)).toBe(caller.address);
      expect(described.to.sp).toBe(caller.sp);
      for (const register of [3, 5, 12, 13, 14, 15]) {
        const known = caller.place.regs[register];
        if (known !== undefined) expect(described.to.regs[register]).toBe(known);
      }
      both++;
    }
    expect(both).toBeGreaterThan(300);
  });

  it.runIf(requireTool("gdb"))("is what gdb makes of it, just inside of five functions", async () => {
    const program = programs.get("x86-64")!;
    // in the order of their first calls
    const functions = ["compare", "interpret", "leaf", "variable", "endless"];
    const commands = [
      "break main",
      "run",
      ...functions.flatMap((name) => [`tbreak *${name}`, "continue", "stepi", "bt"]),
    ];
    const gdb = execFileSync("gdb", ["-nx", "-batch", ...commands.flatMap((command) => ["-ex", command]), program], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const stacks = gdb.split(/^#0 /m).slice(1).map(callersIn);
    expect(stacks).toHaveLength(functions.length);
    const target = await atMain(program);
    const { currentCpu: cpu } = target.machine;
    for (const [i, name] of functions.entries()) {
      const entry = target.symbols(cpu).address(name)!;
      while (cpu.linearIp !== entry) expect(target.run(1).kind).toBe("budget");
      target.run(1);
      const callers = stacks[i]!;
      expect(callers.length).toBeGreaterThan(0);
      const ours = callStack(target, cpu).slice(1, 1 + callers.length);
      expect(
        ours.map(({ address }) => address),
        name,
      ).toEqual(callers);
    }
  });
});

/** Addresses, innermost first, as far as main. */
const callersIn = (text: string): number[] =>
  [...text.matchAll(/^#\d+\s+(0x[\da-f]+) in /gm)].map(([, at]) => Number(at));
