/** The run loop: exact counts, breakpoints, probes, single steps, self-modifying code, write tracking. */
import { describe, expect, it, vi } from "vitest";
import { ARMED } from "../../../src/emu/cpu/contract.ts";
import { EFLAGS, OFF } from "../../../src/emu/cpu/layout.ts";
import { CODE, TestMachine } from "./kit.ts";

/** inc eax / dec ecx / jnz back / jmp $ */
const COUNT = "ffc0 ffc9 75fa ebfe";

describe.each([undefined, 2])("hot after %s", (hotAfter) => {
  const make = (code: string, bits: 32 | 64 = 64) =>
    new TestMachine({ bits, ram: 0x100000, ...(hotAfter ? { hotAfter } : {}) }).load(code);

  it("stops after exactly the instructions asked for", () => {
    for (let n = 0; n < 40; n++) {
      const m = make(COUNT).set("RCX", 10);
      expect(m.run(n)).toEqual({ kind: "budget" });
      expect(m.cpu.icount).toBe(BigInt(n));
      expect(m.get("RAX")).toBe(BigInt(Math.min(10, Math.ceil(n / 3))));
    }
  });

  it("stops at a breakpoint before the instruction, and goes on from it", () => {
    const m = make(COUNT).set("RCX", 5);
    m.cpu.setBreakpoints([CODE + 2]);
    for (let i = 1; i <= 5; i++) {
      expect(m.run(1000)).toEqual({ kind: "breakpoint", address: CODE + 2 });
      expect(m.get("RAX")).toBe(BigInt(i));
    }
    m.cpu.setBreakpoints([]);
    expect(m.run(100)).toEqual({ kind: "budget" });
    expect(m.get("RAX")).toBe(5n);
  });

  it("meets a breakpoint that is the first instruction of a slice", () => {
    const m = make(COUNT).set("RCX", 5);
    m.cpu.setBreakpoints([CODE + 2]);
    expect(m.run(1)).toEqual({ kind: "budget" });
    expect(m.run(1)).toEqual({ kind: "breakpoint", address: CODE + 2 });
    expect(m.run(1)).toEqual({ kind: "budget" });
    expect(m.cpu.icount).toBe(2n);
  });

  it("asks about a breakpoint once an instruction, and stops where the answer says so", () => {
    const m = make(COUNT).set("RCX", 500);
    const asked: bigint[] = [];
    m.cpu.hooks.breakpoint = ({ icount }) => asked.push(icount) % 100 === 0;
    m.cpu.setBreakpoints([CODE + 2]);
    for (let stop = 1; stop <= 5; stop++) {
      expect(m.run(10_000)).toEqual({ kind: "breakpoint", address: CODE + 2 });
      expect(m.get("RAX")).toBe(BigInt(stop * 100));
    }
    expect(asked).toEqual(Array.from({ length: 500 }, (_, i) => BigInt(i * 3 + 1)));
  });

  it("passes breakpoints that are not armed, and what is changed at one counts", () => {
    const m = make(COUNT).set("RCX", 300);
    m.cpu.setBreakpoints([CODE + 2]);
    m.cpu.armBreakpoints(ARMED.OFF);
    expect(m.run(300)).toEqual({ kind: "budget" });
    m.cpu.hooks.breakpoint = (cpu) => {
      if (cpu.gpr(1) === 50n) cpu.setGpr(1, 10n);
      return false;
    };
    m.cpu.armBreakpoints(ARMED.ALL);
    m.run(10_000);
    expect(m.get("RAX")).toBe(260n);
  });

  const OTHERS = { alone: [], "with one in the upper half": [-0x2000], "between others": [0x1_0000, 0x7_0000] };
  it.each(Object.entries(OTHERS))(
    "stops after accesses of watched bytes, and only there, however near: %s",
    (_, others) => {
      // mov [rbx+rcx*8], rax / mov rdx, [rbx+rcx*8] / inc rax / inc ecx / and ecx, 63 / jmp back
      const m = make("488904cb 488b14cb 48ffc0 ffc1 83e13f ebee").set("RBX", 0x30000);
      m.run(5000);
      const watch = (start: number, length: number) => ({ start, length, read: true, write: true });
      m.cpu.setWatchpoints([...others.map((start) => watch(start, 8)), watch(0x30044, 2)]);
      for (let stop = 0; stop < 80; stop++) {
        expect(m.run(1000).kind).toBe("watchpoint");
        // element 8 begins at 0x30040: its write has retired, then its read
        expect(Number(m.cpu.icount) % (64 * 6)).toBe(8 * 6 + 1 + (stop % 2));
      }
    },
  );

  it("calls probes without counting them", () => {
    const m = make(COUNT).set("RCX", 4);
    const seen: bigint[] = [];
    m.cpu.hooks.probe = (cpu, addr) => {
      expect(addr).toBe(CODE + 2);
      seen.push(cpu.gpr(0), cpu.icount);
    };
    m.cpu.setProbes([CODE + 2]);
    m.run(12);
    expect(seen).toEqual([1n, 1n, 2n, 4n, 3n, 7n, 4n, 10n]);
    expect(m.cpu.icount).toBe(12n);
  });

  it("runs what self-modifying code has written, in its own block too", () => {
    // mov byte [rip+1], 0xc8 turns the next `inc eax` (ff c0) into `dec eax` (ff c8); then jump back once more.
    const m = make("90");
    m.load("c60501000000c8 ffc0 ebfe");
    m.run(2);
    expect(m.get("RAX")).toBe(0xffffffffn);
  });

  it("keeps other code of the page when data beside it is written", () => {
    // mov [rip+0x100], eax / inc eax / dec ecx / jnz back / jmp $
    const m = make("890500010000 ffc0 ffc9 75f4 ebfe").set("RCX", 50);
    m.run(200);
    const { epoch } = m.cpu;
    m.set("RCX", 50);
    m.cpu.setAddr(OFF.RIP, CODE);
    m.run(200);
    expect(m.get("RAX")).toBe(100n);
    expect(m.cpu.epoch).toBe(epoch);
  });

  it("marks written pages, and again after the marks were cleared", () => {
    // mov [rbx], al / jmp back
    const m = make("8803 ebfc").set("RBX", 0x30000);
    m.run(20);
    expect(m.core.dirty[0x30]).toBe(1);
    expect(m.core.touched[0x30]).toBe(1);
    m.core.takeDirty();
    m.cpu.dropWriteTags();
    m.run(20);
    expect(m.core.dirty[0x30]).toBe(1);
  });

  it("stops on request from a hook", () => {
    // out 0x80, al / jmp back
    const m = make("e680 ebfc");
    let calls = 0;
    m.cpu.hooks.portOut = () => {
      if (++calls === 7) m.cpu.requestStop();
    };
    expect(m.run(1000)).toEqual({ kind: "request" });
    expect(m.cpu.icount).toBe(13n);
  });

  it("takes a pending interrupt as soon as it may, and reports a shutdown without a table for it", () => {
    const m = make(COUNT).set("RCX", 1000);
    m.cpu.raise(4);
    expect(m.run(10)).toEqual({ kind: "budget" });
    m.cpu.hooks.interruptVector = () => 0x20;
    m.cpu.setFlagsRaw(EFLAGS.IF);
    m.cpu.set32(OFF.IDTR_LIMIT, 0);
    expect(m.run(10).kind).toBe("shutdown");
    expect(m.cpu.icount).toBe(11n);
  });

  it("leaves the fault of fetching the next instruction to the next run", () => {
    // jmp to the end of RAM and beyond: outside the map, a page fault without a handler
    const m = make("e9fbffff7f");
    expect(m.run(1)).toEqual({ kind: "budget" });
    expect(m.cpu.icount).toBe(1n);
    expect(m.run(1).kind).toBe("shutdown");
    expect(m.cpu.icount).toBe(2n);
  });

  it("halts", () => {
    const m = make("90 f4 90");
    expect(m.run(10)).toEqual({ kind: "halt" });
    expect(m.cpu.icount).toBe(2n);
  });

  it("runs code that crosses a page, and code in the last bytes of one", () => {
    const m = make("90");
    m.load("b878563412 ffc0 ebfe", CODE + 0xffd);
    m.run(3);
    expect(m.get("RAX")).toBe(0x12345679n);
  });
});

it("single-steps: a trap after every instruction while TF is set", () => {
  const m = new TestMachine({ bits: 16 });
  // IVT entry 1 -> 0000:2000: inc bx / iret; code: inc ax x3 / jmp $
  m.cpu.physWrite(4, 4, 0x2000);
  m.load("43 cf", 0x2000);
  m.load("40 40 40 ebfe");
  m.cpu.setFlagsRaw(EFLAGS.TF | EFLAGS.FIXED);
  // inc, trap, inc bx, iret: the trap after IRET's TF comes one instruction later.
  m.run(12);
  expect(m.get("RAX")).toBe(3n);
  expect(m.get("RBX")).toBe(3n);
});

it("names an instruction that it does not have", () => {
  const m = new TestMachine({ bits: 64, ram: 0x100000 });
  const seen: string[] = [];
  m.cpu.hooks.unimplemented = (_, name) => void seen.push(name);
  m.load("660f3880 00");
  m.run(1);
  expect(seen).toEqual(["Invept"]);
});

it("forgets an interrupt shadow that has passed", () => {
  const m = new TestMachine({ bits: 16 });
  // sti / nop / nop / jmp $
  m.load("fb 90 90 ebfe");
  m.run(1);
  expect(m.cpu.get32(OFF.SHADOW_KIND)).toBe(1);
  m.run(3);
  expect(m.cpu.get32(OFF.SHADOW_KIND)).toBe(0);
});

it("stays in tier 0 where the host forbids the compilation of WebAssembly", () => {
  const spy = vi.spyOn(WebAssembly, "Module").mockImplementation(() => {
    throw new WebAssembly.CompileError("blocked by a content security policy");
  });
  try {
    const m = new TestMachine({ bits: 64, ram: 0x100000, hotAfter: 2 }).load(COUNT).set("RCX", 50);
    expect(m.run(200)).toEqual({ kind: "budget" });
    expect(m.get("RAX")).toBe(50n);
    expect(spy).toHaveBeenCalledTimes(1);
  } finally {
    spy.mockRestore();
  }
});

it("compiles a loop whose accesses always miss with calls in their place, and goes on the same", () => {
  // mov [rbx],eax / inc eax / dec ecx / jnz back / jmp $, with RBX in the code's own page
  const machine = (hotAfter?: number) =>
    new TestMachine({ bits: 64, ram: 0x100000, ...(hotAfter ? { hotAfter } : {}) })
      .load("8903 ffc0 ffc9 75f8 ebfe")
      .set("RBX", CODE + 0x800)
      .set("RCX", 3000);
  const [cold, hot] = [machine(), machine(4)];
  cold.run(12_010);
  hot.run(12_010);
  expect(hot.fingerprint()).toEqual(cold.fingerprint());
  expect(hot.read(CODE + 0x800, 4)).toBe(2999);
});
