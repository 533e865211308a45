/** Debug registers and a debugger's data watch: what is reported and exactly when, in both tiers; corners of TF, RF and BTF. */
import { describe, expect, it } from "vitest";
import { CR4, EFLAGS, OFF } from "../../../src/emu/cpu/layout.ts";
import { TestMachine } from "./kit.ts";

const START = 0x1000;
const HANDLER = 0x2000;
const ON = { EXECUTE: 0, WRITE: 1, PORT: 2, ACCESS: 3 } as const;
const LENGTH_FIELD: Readonly<Record<number, number>> = { 1: 0, 2: 1, 8: 2, 4: 3 };

interface Trap {
  readonly from: number;
  readonly dr6: number;
  readonly count: number;
}

/** Real mode; #DB's handler is one IRET. */
class DebugMachine extends TestMachine {
  readonly traps: Trap[] = [];

  constructor(code: string, hotAfter: number | undefined) {
    super({ bits: 16, ram: 0x100000, ...(hotAfter ? { hotAfter } : {}) });
    this.cpu.physWrite(4, 4, HANDLER);
    this.load("cf", HANDLER);
    this.load(code, START);
    this.cpu.hooks.transfer = (cpu, event) => {
      if (event.vector !== 1 || event.kind === "iret") return;
      this.traps.push({ from: event.fromIp, dr6: cpu.get32(OFF.DR + 48) & 0xe00f, count: Number(cpu.icount) });
    };
  }

  debugRegister(i: number, address: number, on: number, length = 1): this {
    const { cpu } = this;
    cpu.set32(OFF.DR + i * 8, address);
    const field = (on | (LENGTH_FIELD[length]! << 2)) << (16 + i * 4);
    cpu.set32(OFF.DR + 56, cpu.get32(OFF.DR + 56) | field | (2 << (i * 2)));
    cpu.debugRegistersChanged();
    return this;
  }
  flags(set: number): this {
    this.cpu.setFlagsRaw(this.cpu.getFlags() | set);
    this.cpu.updateMode();
    return this;
  }
}

describe.each([undefined, 2])("hot after %s", (hotAfter) => {
  const make = (code: string) => new DebugMachine(code, hotAfter);

  it("an instruction breakpoint comes before the instruction, and again unless RF is set", () => {
    // inc ax / inc ax / jmp $
    const m = make("40 40 ebfe").debugRegister(0, START + 1, ON.EXECUTE);
    m.run(2);
    expect(m.traps).toEqual([{ from: START + 1, dr6: 1, count: 1 }]);
    expect(m.get("RAX")).toBe(1n);
    // A 16-bit IRET cannot set RF, so the handler returns into the same breakpoint.
    m.run(2);
    expect(m.traps.length).toBe(2);
    m.run(1);
    m.flags(EFLAGS.RF);
    m.run(1);
    expect(m.get("RAX")).toBe(2n);
    expect(m.flag("RF")).toBe(false);
  });

  it("a data breakpoint comes after the write, not after reads, and only on its bytes", () => {
    // mov al,[0x5000] / mov [0x4fff],ax / mov [0x5001],al / mov [0x5004],al / jmp $
    const m = make("a00050 a3ff4f a20150 a20450 ebfe").debugRegister(1, 0x5000, ON.WRITE, 4);
    m.run(8);
    expect(m.traps).toEqual([
      { from: START + 6, dr6: 2, count: 2 },
      { from: START + 9, dr6: 2, count: 5 },
    ]);
  });

  it("reads too where DR7 says so; length 8; the address is aligned down", () => {
    const m = make("a00750 a20850 ebfe").debugRegister(2, 0x5003, ON.ACCESS, 8);
    m.run(8);
    expect(m.traps).toEqual([{ from: START + 3, dr6: 4, count: 1 }]);
  });

  it("a loop over other pages runs as before, and the one write that hits is reported at its count", () => {
    // mov [bx],al / inc bx / loop back / jmp $
    const m = make("8807 43 e2fb ebfe").debugRegister(0, 0x6010, ON.WRITE).set("RBX", 0x5000).set("RCX", 0x2000);
    m.run(0x2000 * 3 + 2);
    expect(m.traps).toEqual([{ from: START + 2, dr6: 1, count: 0x1010 * 3 + 1 }]);
    expect(m.get("RCX")).toBe(0n);
  });

  it("REP stops after the iteration that hits, with RF in the image", () => {
    // rep stosb / jmp $
    const m = make("f3aa ebfe").debugRegister(0, 0x5002, ON.WRITE).set("RDI", 0x5000).set("RCX", 6);
    m.run(1);
    expect(m.get("RDI")).toBe(0x5003n);
    expect(m.flag("RF")).toBe(true);
    m.run(4);
    expect(m.traps).toEqual([{ from: START, dr6: 1, count: 1 }]);
    expect(m.get("RCX")).toBe(0n);
  });

  it("MOV SS holds a data breakpoint back for one instruction", () => {
    // mov ss,[0x5000] / inc ax / jmp $
    const m = make("8e160050 40 ebfe").debugRegister(0, 0x5000, ON.ACCESS);
    m.run(3);
    expect(m.traps).toEqual([{ from: START + 5, dr6: 1, count: 2 }]);
  });

  it("ports, with CR4.DE only", () => {
    // out 0x21,al / out 0x20,ax / jmp $
    const m = make("e621 e720 ebfe").debugRegister(3, 0x20, ON.PORT);
    m.run(2);
    expect(m.traps).toEqual([]);
    m.cpu.set32(OFF.CR4, CR4.DE);
    m.cpu.debugRegistersChanged();
    m.cpu.setAddr(OFF.RIP, START);
    m.run(3);
    expect(m.traps).toEqual([{ from: START + 4, dr6: 8, count: 4 }]);
  });

  it("BTF makes TF trap on taken branches only, once", () => {
    // inc ax / jmp +0 / inc ax / jmp +1 / nop / inc ax / jmp $
    const m = make("40 7501 90 40 40 ebfe").flags(EFLAGS.TF);
    m.cpu.set32(OFF.DEBUGCTL, 2);
    m.run(3);
    expect(m.traps).toEqual([{ from: START + 4, dr6: 1 << 14, count: 2 }]);
    expect(m.cpu.get32(OFF.DEBUGCTL) & 2).toBe(0);
  });

  it("a single step and a data breakpoint are one trap", () => {
    const m = make("a20050 ebfe").debugRegister(0, 0x5000, ON.WRITE).flags(EFLAGS.TF);
    m.run(2);
    expect(m.traps).toEqual([{ from: START + 3, dr6: (1 << 14) | 1, count: 1 }]);
  });

  it("a debugger's watch stops after the access, by linear or physical range, and says what it was", () => {
    // mov [bx],al / inc bx / loop back / jmp $
    for (const physical of [false, true]) {
      const m = make("8807 43 e2fb ebfe").set("RBX", 0x5000).set("RCX", 0x2000);
      const range = { start: 0x5800, length: 2, read: false, write: true, physical };
      m.cpu.setWatchpoints([range]);
      const hit = { range, address: 0x5800, size: 1, write: true };
      expect(m.run(100_000)).toEqual({ kind: "watchpoint", hit });
      expect(m.cpu.icount).toBe(BigInt(0x800 * 3 + 1));
      expect(m.run(100_000)).toEqual({ kind: "watchpoint", hit: { ...hit, address: 0x5801 } });
      m.cpu.setWatchpoints([]);
      expect(m.run(100_000)).toEqual({ kind: "budget" });
      expect(m.traps).toEqual([]);
    }
  });

  it("a watch on two pages sees an access across them once", () => {
    const m = make("a1ff5f ebfe");
    m.cpu.setWatchpoints([{ start: 0x6000, length: 1, read: true, write: true }]);
    const stop = m.run(10);
    expect(stop.kind).toBe("watchpoint");
    expect(m.cpu.icount).toBe(1n);
  });
});
