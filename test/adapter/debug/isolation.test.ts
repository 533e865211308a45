/** Under page table isolation user mode's tables have next to nothing of the kernel: a debugger sees it all the same, and says how it is. */
import { describe, expect, it } from "vitest";
import { peekBytes, peekValue, pokeValue } from "../../../src/adapter/debug/guest-memory.ts";
import { pageWalk } from "../../../src/adapter/debug/page-walk.ts";
import { OFF } from "../../../src/emu/cpu/layout.ts";
import { run, source } from "../../emu/kernel/kit.ts";

const spinning = (pti: string) => {
  const { kernel, machine } = run(source("\t.globl _start\n_start:\tjmp _start\n"), { designs: { pti } }, 2000).system;
  return { kernel, cpu: machine.cpus[0]! };
};

describe("in user mode", () => {
  it("reads and writes the kernel's memory, and leaves CR3 as it is", () => {
    const { kernel, cpu } = spinning("on");
    const cr3 = cpu.get64(OFF.CR3);
    const flags = kernel.current(cpu).address + kernel.layout.threadInfo.flags!.offset;
    expect(cpu.peekTranslate(flags)).toBeUndefined();
    expect(pokeValue(cpu, flags, 4, 0x123n)).toBe(true);
    expect(peekValue(cpu, flags, 4)).toBe(0x123n);
    expect(kernel.threadInfo(kernel.current(cpu), "flags")).toBe(0x123);
    const code = kernel.symbol("do_syscall_64");
    expect(peekBytes(cpu, code, 8)).toEqual(kernel.memory.read(code, 8));
    expect(cpu.get64(OFF.CR3)).toBe(cr3);
  });

  it("has nothing where the kernel has nothing, and only one page table to look at without isolation", () => {
    for (const pti of ["on", "off"]) expect(peekValue(spinning(pti).cpu, -0x1000_0000_0000, 8), pti).toBeUndefined();
    const { cpu } = spinning("off");
    expect(cpu.hooks.kernelRoot).toBeUndefined();
  });

  it("shows the walk as the processor makes it", () => {
    const last = (pti: string) => {
      const { kernel, cpu } = spinning(pti);
      return pageWalk(cpu, kernel.layout.address.pageOffset).at(-1)!.flags;
    };
    expect(last("on")).toEqual(["not present"]);
    expect(last("off")).toContain("large");
  });
});
