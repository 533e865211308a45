/** The aliases of an espfix stack: CR3 walked by hand through memory, and a watch on the one page behind them. */
import { describe, expect, test } from "vitest";
import { OFF } from "../../../src/emu/cpu/layout.ts";
import { SeededRandom } from "../../../src/emu/machine/random.ts";
import { ALIASES, aliasOf, aliasProgram, randomStacks } from "./alias-program.ts";
import { nativeImage, run, source, system } from "./kit.ts";

const CPUS = 8;
/** Seed of the machine and of the aliases, and the CPU whose ministack it is. */
const CASES = [
  [1, 0],
  [2, 1],
  [3, 3],
  [0x5eed, 5],
  [-7, 7],
] as const;

const PRESENT = 1n;
const WRITABLE = 2n;
const FRAME = 0x000f_ffff_ffff_f000n;

/** The four entries that lead to a page, read from physical memory; SDM volume 3, 4.5: bits 47:39, 38:30, 29:21 and 20:12 are the indexes. */
function walk(read: (physical: bigint) => bigint, cr3: bigint, linear: bigint): bigint[] {
  const entries: bigint[] = [];
  let table = cr3 & FRAME;
  for (const shift of [39n, 30n, 21n, 12n]) {
    const entry = read(table + ((linear >> shift) & 0x1ffn) * 8n);
    entries.push(entry);
    table = entry & FRAME;
  }
  return entries;
}

describe.each(CASES)("seed %i, CPU %i", (seed, number) => {
  const stacks = randomStacks(seed);
  const program = source(aliasProgram(stacks, number), 32);

  test("a walk by hand leads from 100 random aliases to one read-only page, and from the page beside them nowhere", () => {
    const { stop, system: target } = run(program, { seed, cpus: CPUS });
    expect(stop).toEqual({ kind: "exit", status: 0 });
    const { kernel, machine } = target;
    const cpu = machine.cpus[number]!;
    const { view, ramBase } = machine.core;
    const read = (physical: bigint) => view.getBigUint64(ramBase + Number(physical), true);
    const base = BigInt.asUintN(64, kernel.perCpu(cpu, "espfix_stack"));
    expect(aliasOf(base)).toBe(0);
    const random = new SeededRandom("walk", seed);
    const pages = new Set<bigint>();
    for (let i = 0; i < ALIASES; i++) {
      const entries = walk(read, cpu.get64(OFF.CR3), base | (BigInt(random.below(0x1_0000)) << 16n));
      expect(entries.map((entry) => entry & PRESENT)).toEqual([1n, 1n, 1n, 1n]);
      // read-only as a whole: any of the four may forbid writing
      expect(entries.every((entry) => (entry & WRITABLE) !== 0n)).toBe(false);
      pages.add(entries.at(-1)! & FRAME);
    }
    const writable = BigInt.asUintN(64, kernel.perCpu(cpu, "espfix_waddr"));
    const mapped = walk(read, cpu.get64(OFF.CR3), writable);
    expect([...pages]).toEqual([BigInt(cpu.peekTranslate(Number(BigInt.asIntN(64, writable)))!) & FRAME]);
    expect(mapped[0]! & WRITABLE).toBe(WRITABLE);
    const beside = walk(read, cpu.get64(OFF.CR3), base ^ 0x1000n);
    expect(beside.at(-1)! & PRESENT).toBe(0n);
  });

  test("a physical watchpoint fires through every one of 100 random aliases", () => {
    const target = system(program, { seed, cpus: CPUS });
    const { kernel, machine } = target;
    const cpu = machine.cpus[number]!;
    const physical = kernel.memory.phys(Number(BigInt.asIntN(64, kernel.perCpu(cpu, "espfix_waddr"))));
    // the saved ip, which only IRET reads
    for (const each of machine.cpus)
      each.setWatchpoints([{ start: physical + 8, length: 8, read: true, write: false, physical: true }]);
    const aliases: number[] = [];
    let stop = target.run(10_000_000);
    while (stop.kind === "watchpoint") {
      aliases.push(aliasOf(stop.hit.address));
      stop = target.run(10_000_000);
    }
    expect(stop).toEqual({ kind: "exit", status: 0 });
    expect(aliases).toEqual(stacks.map(aliasOf));
  });
});

test("the host keeps a hundred random ESPs too", () => {
  const { status } = nativeImage(aliasProgram(randomStacks(1), 0), 32);
  expect(status).toBe(0);
});
test("without espfix none of them survives", () => {
  const { stop } = run(source(aliasProgram(randomStacks(1), 0), 32), { designs: { espfix: "none" } });
  expect(stop).toMatchObject({ kind: "exit" });
  expect((stop as { status: number }).status).toBeGreaterThan(ALIASES - 3);
});
