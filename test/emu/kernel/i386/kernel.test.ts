/** The 32-bit kernel at work: both system call entries, signals with both frames, espfix, failing IRETs, NMIs at every instruction. */
import { describe, expect, test } from "vitest";
import { PENDING } from "../../../../src/emu/cpu/cpu.ts";
import { GPR, OFF, SEG } from "../../../../src/emu/cpu/layout.ts";
import calling32 from "../../../../src/emu/kernel/entry/calling_32.S?raw";
import entry32 from "../../../../src/emu/kernel/entry/entry_32.S?raw";
import { vm86Program } from "../vm86/programs.ts";
import * as programs from "./programs.ts";
import { finish, prepare, type Result, runI386 } from "./run.ts";

const exits = (result: Result) => result.events.filter((event) => event.type === "exit" && event.toCpl === 3);

describe("system calls", () => {
  test("INT $0x80", () => {
    const result = runI386(programs.HELLO_INT80);
    expect([result.status, result.output()]).toEqual([7, "hello, int 0x80\n"]);
    expect(exits(result).every((event) => event.instruction === "iret")).toBe(true);
  });

  test("SYSENTER by way of AT_SYSINFO, and back by SYSEXIT", () => {
    const result = runI386(programs.HELLO_VSYSCALL);
    expect([result.status, result.output()]).toEqual([0, "hello, sysenter\n"]);
    const exit = exits(result).find((event) => event.entry === "entry_SYSENTER_32")!;
    expect(exit).toMatchObject({ instruction: "sysexit", cs: 0x73, ss: 0x7b });
    expect(exit.firstFailing).toBeUndefined();
  });

  test("SYSENTER with TF set: no trap inside the kernel reaches the program, and IRET restores TF", () => {
    const result = runI386(programs.SINGLE_STEP_VSYSCALL);
    expect(result.status).toBe(0);
    const exit = exits(result).find((event) => event.entry === "entry_SYSENTER_32")!;
    expect(exit).toMatchObject({ instruction: "iret", firstFailing: "sysexit_check_rf_tf_vm" });
    const inKernel = result.events.filter((event) => event.type === "fault" && event.vector === 1);
    expect(inKernel.some((event) => Number(event.ip) >= 0xc000_0000)).toBe(true);
  });
});

describe("signals", () => {
  test("sigframe", () => expect(runI386(programs.SIGFRAME)).toMatchObject({ status: 0 }));
  test("rt_sigframe, for a real fault", () => expect(runI386(programs.RT_SIGFRAME)).toMatchObject({ status: 0 }));
  test("an exception without a handler ends the program", () => {
    expect(runI386(programs.DIVIDE).stop).toEqual({ kind: "exit", status: 136, signal: 8 });
  });
});

describe("espfix", () => {
  const kernelStack = 0xff40;
  const upperHalf = (result: Result) => {
    const { kernel, symbols } = result.system;
    return (
      Number(
        kernel.memory.readScalar(
          kernel.memory.virt(kernel.machine.currentCpu.peekTranslate(symbols.address("after")!)!),
          4,
        ),
      ) >>> 16
    );
  };

  test("the user's ESP survives a return to a 16-bit stack segment", () => {
    const result = runI386(programs.ESPFIX);
    expect(result.status).toBe(0);
    expect(exits(result).some((event) => (event.path as string[]).includes("espfix_applied"))).toBe(true);
  });

  test("without it the upper half is the kernel's", () => {
    const prepared = prepare(programs.ESPFIX, { designs: { espfix: "none" } });
    const { kernel, machine, symbols } = prepared.system;
    machine.cpus[0]!.setBreakpoints([symbols.address("out")!]);
    expect(finish(prepared, 100_000).stop.kind).toBe("breakpoint");
    expect(upperHalf({ ...prepared, stop: { kind: "budget" }, status: 0 })).toBe(kernelStack);
    expect(kernel.hasSymbol("espfix_applied")).toBe(false);
    machine.cpus[0]!.setBreakpoints([]);
    expect(finish(prepared, 100_000).status).toBe(2);
  });

  test("the segment's base is rewritten so that the stack stays where it is", () => {
    const prepared = prepare(programs.ESPFIX);
    const { kernel, machine } = prepared.system;
    const cpu = machine.cpus[0]!;
    cpu.setBreakpoints([kernel.symbol("espfix_applied")]);
    expect(finish(prepared, 100_000).stop.kind).toBe("breakpoint");
    const before = Number(cpu.gpr(GPR.RSP));
    cpu.setBreakpoints([kernel.symbol("restore_all")]);
    cpu.skipBreakpoint();
    expect(prepared.system.run(1000).kind).toBe("breakpoint");
    expect(cpu.selector(SEG.SS)).toBe(kernel.layout.selectors.__ESPFIX_SS);
    const esp = Number(cpu.gpr(GPR.RSP));
    expect(esp >>> 16).toBe(0xabcd);
    expect((cpu.segBase(SEG.SS) + esp) % 2 ** 32).toBe(before);
  });

  test("an IRET that faults, from the espfix segment too, becomes SIGILL", () => {
    expect(runI386(programs.BAD_IRET)).toMatchObject({ status: 0 });
    const result = runI386(programs.BAD_IRET_ESPFIX);
    expect(result.status).toBe(0);
    expect(result.events.some((event) => event.type === "upcall" && event.name === "__iret_error")).toBe(true);
  });
});

describe("the user's own entry code", () => {
  const source = (change: (text: string) => string) => ({ uri: "my-entry.S", text: change(entry32) });

  test("one jump changed, and SYSENTER leaves by IRET", () => {
    const entrySource = source((text) => text.replace("jz\tsyscall_32_done", "jmp\tsyscall_32_done"));
    expect(entrySource.text).not.toBe(entry32);
    const result = runI386(programs.HELLO_VSYSCALL, { entrySource });
    expect([result.status, result.output()]).toEqual([0, "hello, sysenter\n"]);
    const exit = exits(result).find((event) => event.entry === "entry_SYSENTER_32")!;
    expect(exit.instruction).toBe("iret");
  });

  test("one jump changed, and espfix is applied to nobody: the kernel's bits leak", () => {
    const espfix = calling32.replace("jne\tno_espfix_\\@", "jmp\tno_espfix_\\@");
    const entrySource = source((text) => text.replace('\t.include "calling_32.S"', () => espfix));
    expect(runI386(programs.ESPFIX, { entrySource }).status).toBe(2);
  });
});

describe("segment registers on the way out", () => {
  test("a selector that cannot be loaded is null in user mode, and nothing else happens", () => {
    const result = runI386(programs.BAD_DS);
    expect(result.status).toBe(0);
    expect(result.events.some((event) => event.type === "fault" && Number(event.ip) >= 0xc000_0000)).toBe(true);
  });
});

test("a kernel stack that is not there: #PF, #DF, and the task gate's handler has the registers", () => {
  const prepared = prepare(programs.HELLO_INT80);
  const cpu = prepared.system.machine.cpus[0]!;
  cpu.setBreakpoints([prepared.system.kernel.symbol("entry_INT80_32")]);
  expect(finish(prepared, 100_000).stop.kind).toBe("breakpoint");
  cpu.setGpr(GPR.RSP, 0xe000_0000n);
  cpu.setBreakpoints([]);
  const { stop } = finish(prepared, 100_000);
  expect(stop).toMatchObject({ kind: "shutdown" });
  expect((stop as { why: string }).why).toMatch(/double fault/);
  const event = prepared.events.find((e) => e.type === "double-fault")!;
  expect(event.cr2).toBe(0xdfff_fffc);
});

describe("an NMI at every single instruction changes nothing", () => {
  // from: the label of the program from which on it matters
  const cases: [name: string, text: string, from: string, status: number, espfix: string][] = [
    ["SYSENTER", programs.HELLO_VSYSCALL, "_start", 0, "final"],
    ["espfix", programs.ESPFIX, "_start", 0, "final"],
    ["without espfix", programs.ESPFIX, "_start", 2, "none"],
    ["a failing IRET", programs.BAD_IRET_ESPFIX, "on_usr1", 0, "final"],
    ["v8086 mode", vm86Program("", "\tsti\n\thlt\n", "\tcmp $1, %eax\n\tjne fail\n", true), "enter", 0, "final"],
  ];
  test.each(cases)("%s", (_name, text, from, status, espfix) => {
    const prepared = prepare(text, { designs: { espfix } });
    const { machine, symbols } = prepared.system;
    const cpu = machine.cpus[0]!;
    cpu.setBreakpoints([symbols.address(from)!]);
    expect(prepared.system.run(100_000).kind).toBe("breakpoint");
    cpu.setBreakpoints([]);
    for (let ended = false; !ended; ) {
      const snapshot = machine.save();
      cpu.raise(PENDING.NMI);
      prepared.events.length = 0;
      const ip = cpu.get32(OFF.RIP) >>> 0;
      const result = finish(prepared, 20_000);
      const nmis = prepared.events.filter((event) => event.kind === "nmi").length;
      expect({ ip, status: result.status, nmis }).toEqual({ ip, status, nmis: 1 });
      machine.restore(snapshot);
      ended = machine.run(1).kind === "exit";
    }
  });
});
