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
import { follow } from "../../../src/adapter/debug/unwind/follow.ts";
import { Place } from "../../../src/adapter/debug/unwind/place.ts";
import { requireTool } from "../../tools.ts";
import { ShadowStack } from "./shadow-stack.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ringside-cfi-"));
const compile = (source: string, name: string, ...options: string[]): string => {
  const program = path.join(folder, name);
  const flags = ["-static", "-g", "-fno-stack-protector", ...options];
  execFileSync("gcc", [...flags, "-o", program, path.join(import.meta.dirname, source)]);
  return program;
};
const build = (name: string, ...options: string[]): string =>
  compile("cfi.c", name, "-O2", "-fcf-protection=none", ...options);

async function atMain(program: string): Promise<Target> {
  const configuration = readConfiguration({ program: pathToFileURL(program).href, cpu: { vendor: "intel", count: 1 } });
  const files = { read: async (uri: string) => new Uint8Array(readFileSync(new URL(uri))) };
  const { target } = await createTarget(configuration, files);
  const main = target!.symbols(target!.machine.currentCpu).address("main")!;
  while (target!.machine.currentCpu.linearIp !== main) if (target!.run(1).kind === "exit") throw new Error("no main");
  return target!;
}

const PER_INSTRUCTION = 20_000;
const WITHOUT = "-fno-asynchronous-unwind-tables";

/** Compares with a shadow stack, each instruction the first time that it runs, or every nth instruction that runs. */
function compared(target: Target, every: number, most: number) {
  const { currentCpu: cpu } = target.machine;
  const shadow = new ShadowStack(target);
  shadow.begin();
  const addresses = () =>
    callStack(target, cpu)
      .slice(1)
      .map(({ address }) => address);
  const outside = addresses();
  const name = (at: number | undefined) =>
    at === undefined ? "?" : (target.symbols(cpu).describe(at) ?? at.toString(16));
  const wrong = new Map<string, string>();
  const guessed = new Set<string>();
  const seen = new Set<number>();
  let [steps, byCfi] = [0, 0];
  for (; steps < most && shadow.step().kind === "budget"; steps++) {
    if (steps % every !== 0 || seen.has(cpu.linearIp)) continue;
    if (every === 1) seen.add(cpu.linearIp);
    const callers = callStack(target, cpu).slice(1);
    byCfi += callers.filter(({ found }) => found === "CFI").length;
    const place = name(cpu.linearIp).split("+")[0]!;
    if (callers.some(({ found }) => found === "call site")) guessed.add(place);
    const expected = [...shadow.callers, ...outside];
    const actual = callers.map(({ address }) => address);
    const isRight = (address: number | undefined, i: number) =>
      address === undefined || address === actual[i] || name(actual[i]) === SYSENTER_RETURNS;
    if (expected.length === actual.length && expected.every(isRight)) continue;
    wrong.set(
      place,
      `${name(cpu.linearIp)}: [${actual.map(name).join(" < ")}], expected [${expected.map(name).join(" < ")}]`,
    );
  }
  return { steps, byCfi, guessed: [...guessed], wrong: [...wrong.values()].slice(0, 10) };
}

/** SYSENTER saves no address: the kernel goes on here. */
const SYSENTER_RETURNS = "int80_landing_pad";

describe.runIf(requireTool("gcc"))("call frame information", () => {
  const programs = new Map<string, string>();
  beforeAll(() => {
    programs.set("x86-64", build("wide"));
    programs.set("i386", build("narrow", "-m32"));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it.each([
    { bits: "x86-64", every: 4 },
    { bits: "i386", every: 4 },
  ])(
    "finds every caller where code does not tell, from main to the end: $bits",
    { timeout: 300_000 },
    async ({ bits, every }) => {
      const target = await atMain(programs.get(bits)!);
      const { steps, byCfi, guessed, wrong } = compared(target, every, PER_INSTRUCTION);
      expect(wrong).toEqual([]);
      expect(steps).toBeGreaterThan(1500);
      expect(byCfi).toBeGreaterThan(100);
      expect(guessed).toEqual([]);
    },
  );

  it.each([
    ["-m64", "-O2"],
    ["-m32", "-O2"],
    ["-m64", "-O2", WITHOUT],
    ["-m32", "-O0", WITHOUT],
    ["-m32", "-O2", WITHOUT],
  ])("finds every caller at every instruction: %s %s %s", { timeout: 300_000 }, async (...options) => {
    const target = await atMain(compile("callers.c", "callers", ...options.filter((option) => option !== undefined)));
    const { steps, guessed, wrong } = compared(target, 1, PER_INSTRUCTION);
    expect(wrong).toEqual([]);
    expect(steps).toBeGreaterThan(5000);
    // a main without frame information that never returns, seen from where a library function has its frame pointer's register for itself
    expect(guessed.filter((name) => !(options.includes(WITHOUT) && name.startsWith("__memset")))).toEqual([]);
  });

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
      const caller = follow(Place.of(cpu));
      const described = callerByCfi(Place.of(cpu), { frames: target.spaces.of(cpu).ehFrame }, false);
      if (caller === undefined || described === undefined || described === "outermost") continue;
      expect(described.to.address, target.symbols(cpu).describe(cpu.linearIp)).toBe(caller.to.address);
      expect(described.to.sp).toBe(caller.to.sp);
      for (const register of [3, 5, 12, 13, 14, 15]) {
        const known = caller.to.regs[register];
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
