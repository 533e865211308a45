/** Faults while delivering faults: every pair of the manual's table "Conditions for Generating a Double Fault", and machine checks. */
import { describe, expect, it } from "vitest";
import { PENDING } from "../../../../src/emu/cpu/cpu.ts";
import { Fault, VECTOR } from "../../../../src/emu/cpu/fault.ts";
import { CR4 } from "../../../../src/emu/cpu/layout.ts";
import { deliverException, deliverInterrupt } from "../../../../src/emu/cpu/system/deliver.ts";
import { AT, Bench, EFLAGS, GPR, handler, OFF, S } from "./kit.ts";

/** Ways to break a gate, by the exception that its use then raises. */
const BREAK: Readonly<Record<string, (b: Bench, vector: number) => void>> = {
  GP: (b, vector) => b.gate(vector, { type: 0 }),
  NP: (b, vector) => b.gate(vector, { present: false }),
  SS: (b, vector) => {
    b.write(AT.TSS + 0x24 + 8, 8, 1n << 60n);
    b.gate(vector, { ist: 2 });
  },
  PF: (b, vector) => {
    b.write(AT.TSS + 0x24 + 16, 8, 0x180000);
    b.gate(vector, { ist: 3 });
  },
  // With limitTss.
  TS: (b, vector) => b.gate(vector, { ist: 7 }),
};
const CONTRIBUTORY = ["DE", "TS", "NP", "SS", "GP", "CP"];
const BENIGN = ["DB", "BP", "OF", "BR", "UD", "NM", "MF", "AC", "MC", "XM"];

function machine(): Bench {
  const b = new Bench("long");
  b.cpu.set32(OFF.CR4, b.cpu.get32(OFF.CR4) | CR4.MCE);
  b.mapPage(0x17f000, 0);
  b.mapPage(0x180000, 0);
  return b;
}

/** Where the first exception ends. */
function outcome(first: string, second: string, alsoDouble = false): string {
  const b = machine();
  BREAK[second]!(b, VECTOR[first as keyof typeof VECTOR]);
  if (alsoDouble) BREAK[second]!(b, VECTOR.DF);
  if (second === "TS") limitTss(b);
  deliverException(b.cpu, new Fault(VECTOR[first as keyof typeof VECTOR], 0, "for a test"));
  if (b.cpu.get32(OFF.ACTIVITY) === 2) return "shutdown";
  const vector = (b.rip - handler(0)) / 16;
  return Object.entries(VECTOR).find(([, v]) => v === vector)?.[0] ?? String(vector);
}

/** A TSS that ends before IST7. */
function limitTss(b: Bench): void {
  b.write(AT.GDT + S.TSS, 2, 0x50);
  b.changeAccess(S.TSS, 0x89);
  b.cpu.setGpr(GPR.RAX, BigInt(S.TSS));
  expect(b.exec(0x0f, 0x00, 0xd8)).toBeUndefined();
}

describe.each(Object.keys(BREAK))("then #%s", (second) => {
  it.each(BENIGN)("#%s: the second is delivered", (first) => {
    expect(outcome(first, second)).toBe(second);
  });
  it.each(CONTRIBUTORY)("#%s, contributory", (first) => {
    const same = first === second;
    // A page fault is not contributory: it is delivered.
    expect(outcome(first, second)).toBe(second === "PF" ? "PF" : "DF");
    if (!same) expect(outcome(first, second, true)).toBe(second === "PF" ? "PF" : "shutdown");
  });
  it("#PF", () => {
    expect(outcome("PF", second)).toBe("DF");
    expect(outcome("PF", second, true)).toBe("shutdown");
  });
  it("#DF: shutdown", () => {
    expect(outcome("DF", second)).toBe("shutdown");
  });
  it("an interrupt or an NMI: the second, whatever it is", () => {
    for (const [vector, kind] of [
      [0x20, "interrupt"],
      [2, "nmi"],
    ] as const) {
      const b = machine();
      BREAK[second]!(b, vector);
      if (second === "TS") limitTss(b);
      deliverInterrupt(b.cpu, vector, kind);
      expect(b.rip).toBe(handler(VECTOR[second as keyof typeof VECTOR]));
    }
  });
});

describe("machine checks", () => {
  it("come before NMIs and interrupts", () => {
    const b = machine();
    b.cpu.raise(PENDING.NMI | PENDING.MC);
    b.cpu.run(1);
    expect(b.rip).toBe(handler(VECTOR.MC));
    expect(b.stack(8, 1)[0]).toBe(AT.CODE);
  });
  it("come before the single-step trap of the instruction before, which waits at the handler", () => {
    const b = machine();
    b.write(AT.CODE, 1, 0x90);
    b.setFlags(EFLAGS.TF);
    b.cpu.run(1);
    b.cpu.raise(PENDING.MC);
    b.cpu.run(1);
    expect(b.rip).toBe(handler(VECTOR.MC));
    expect(b.stack(8, 1)[0]).toBe(AT.CODE + 1);
    b.cpu.run(1);
    expect(b.rip).toBe(handler(VECTOR.DB));
    expect(b.stack(8, 1)[0]).toBe(handler(VECTOR.MC));
  });
  it("are not held back by the shadow of MOV SS, as NMIs are", () => {
    for (const [pending, vector, at] of [
      [PENDING.MC, VECTOR.MC, 2],
      [PENDING.NMI, VECTOR.NMI, 3],
    ] as const) {
      const b = machine();
      [0x8e, 0xd0, 0x90, 0x90].forEach((byte, i) => void b.write(AT.CODE + i, 1, byte));
      b.cpu.setGpr(GPR.RAX, 0n);
      b.cpu.run(1);
      b.cpu.raise(pending);
      while (b.rip !== handler(vector)) b.cpu.run(1);
      expect(b.stack(8, 1)[0]).toBe(AT.CODE + at);
    }
  });
  it("are no fault: RF is not set in the image, and there is no error code", () => {
    const b = machine();
    b.cpu.raise(PENDING.MC);
    b.cpu.run(1);
    expect(b.stack(8, 3)[2]! & 0x10000).toBe(0);
  });
  it("shut down where CR4.MCE is clear", () => {
    const b = new Bench("long");
    b.cpu.raise(PENDING.MC);
    expect(b.cpu.run(1).kind).toBe("shutdown");
    expect(b.cpu.shutdownWhy).toMatch(/machine check with CR4.MCE clear/);
  });
});
