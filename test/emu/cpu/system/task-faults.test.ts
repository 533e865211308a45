/**
 * What is wrong in the task switched to: the switch is done, and the exception comes as the new task's first event (SDM volume 3, "Task
 * Switching", step 13 on). Handlers are tasks of their own, for the new task may have no stack.
 */
import { beforeEach, describe, expect, it } from "vitest";
import { AT, Bench, EFLAGS, farCall, farJump, GPR, OFF, S, SEG, V } from "./kit.ts";

const FIXED = EFLAGS.FIXED;
const B = AT.TSS_B;
/** The handler's task. */
const TSS_C = 0xe8;
const C = 0x5000;
const HANDLER = 0x6800;
const BEYOND = 0x100;
/** Descriptors made for one case. */
const SPARE = 0xf0;

let b: Bench;
const field = {
  ip: 0x20,
  flags: 0x24,
  esp: 0x38,
  es: 0x48,
  cs: 0x4c,
  ss: 0x50,
  ds: 0x54,
  fs: 0x58,
  gs: 0x5c,
  ldt: 0x60,
};
const set = (tss: number, name: keyof typeof field, value: number) => b.write(tss + field[name], 4, value);

/** limit, access, flags: a descriptor of base 0 in the spare place. */
function spare(access: number, limit = 0xfffff, flags = 0xc): number {
  b.write(AT.GDT + SPARE, 4, limit & 0xffff);
  b.write(AT.GDT + SPARE + 4, 4, (access << 8) | (limit & 0xf0000) | (flags << 20));
  return SPARE;
}

beforeEach(() => {
  b = new Bench("protected");
  b.setDescriptor(TSS_C, 0x0000_8900_5000_0067n);
  for (const [tss, ip, esp] of [
    [B, 0x6000, 0x7000],
    [C, HANDLER, 0x7800],
  ] as const) {
    set(tss, "ip", ip);
    set(tss, "flags", FIXED);
    set(tss, "esp", esp);
    set(tss, "cs", S.CODE0);
    for (const name of ["ss", "ds", "es"] as const) set(tss, name, S.DATA0);
    set(tss, "ldt", S.LDT);
  }
  for (const vector of [V.TS, V.NP, V.SS, V.GP]) b.gate(vector, { type: 5, selector: TSS_C });
});

/** After the switch: which vector's handler runs cannot be told from the task, so each has its own. */
function afterJump(): { vector: number; errorCode: number } {
  const before = b.events.length;
  expect(b.exec(...farJump(S.TSS_B, 0))).toBeUndefined();
  expect(b.cpu.shutdownWhy).toBe("");
  const [first, second] = b.events.slice(before);
  expect(first?.kind).toBe("task-switch");
  expect(b.rip).toBe(HANDLER);
  // The faulting context is that of the new task, nothing of it executed; the old task is done with.
  expect([b.read(B + field.ip, 4), b.read(C, 2), b.cpu.selector(SEG.TR)]).toEqual([0x6000, S.TSS_B, TSS_C]);
  expect([S.TSS, S.TSS_B, TSS_C].map((s) => b.descriptorAccess(s))).toEqual([0x89, 0x8b, 0x8b]);
  return { vector: second!.vector!, errorCode: b.stack(4, 1)[0]! };
}

type Case = readonly [string, keyof typeof field, () => number, number, (selector: number) => number];
const whole = (selector: number): number => selector & 0xfffc;
const none = (): number => 0;

const CASES: readonly Case[] = [
  ["LDT outside the GDT", "ldt", () => BEYOND, V.TS, whole],
  ["LDT in the LDT", "ldt", () => S.LDT_CODE, V.TS, whole],
  ["LDT that is a data segment", "ldt", () => S.DATA0, V.TS, whole],
  ["LDT that is not present", "ldt", () => spare(0x02, 0x17, 0), V.TS, whole],
  ["null CS", "cs", () => 0, V.TS, none],
  ["CS outside the GDT", "cs", () => BEYOND, V.TS, whole],
  ["CS that is data", "cs", () => S.DATA0, V.TS, whole],
  ["CS that is a gate", "cs", () => S.GATE, V.TS, whole],
  ["CS with DPL above its RPL", "cs", () => S.CODE3, V.TS, whole],
  ["CS with DPL below its RPL", "cs", () => S.CODE0 | 3, V.TS, whole],
  ["conforming CS with DPL above its RPL", "cs", () => spare(0xfe), V.TS, whole],
  ["CS that is not present", "cs", () => spare(0x1a), V.NP, whole],
  ["null SS", "ss", () => 0, V.TS, none],
  ["SS outside the GDT", "ss", () => BEYOND, V.TS, whole],
  ["SS whose RPL is not CPL", "ss", () => S.DATA0 | 3, V.TS, whole],
  ["SS whose DPL is not CPL", "ss", () => S.DATA3, V.TS, whole],
  ["SS that is code", "ss", () => S.CODE0, V.TS, whole],
  ["SS that is read-only", "ss", () => spare(0x90), V.TS, whole],
  ["SS that is not present", "ss", () => spare(0x12), V.SS, whole],
  ...(["ds", "es", "fs", "gs"] as const).flatMap((name): Case[] => [
    [`${name} outside the GDT`, name, () => BEYOND, V.TS, whole],
    [`${name} that can only be executed`, name, () => S.EXEC_ONLY3, V.TS, whole],
    [`${name} that is a TSS`, name, () => S.TSS, V.TS, whole],
    [`${name} with an RPL above its DPL`, name, () => S.DATA0 | 3, V.TS, whole],
    [`${name} that is not present`, name, () => spare(0x12), V.NP, whole],
  ]),
];

describe("a JMP to a task with", () => {
  it.each(CASES)("%s", (_name, where, make, vector, code) => {
    const selector = make();
    set(B, where, selector);
    expect(afterJump()).toEqual({ vector, errorCode: code(selector) });
  });
  it("EIP outside the limit of CS", () => {
    set(B, "cs", spare(0x9a, 0x5fff, 4));
    expect(afterJump()).toEqual({ vector: V.GP, errorCode: 0 });
  });
  it("null data segments and conforming code as data: nothing is wrong", () => {
    for (const name of ["ds", "es", "fs"] as const) set(B, name, 0);
    set(B, "gs", S.CONFORMING | 3);
    set(B, "ldt", 0);
    expect(b.exec(...farJump(S.TSS_B, 0))).toBeUndefined();
    expect([b.rip, b.cpu.selector(SEG.GS)]).toEqual([0x6000, S.CONFORMING | 3]);
  });
});

describe("what is wrong before the switch is the instruction's own", () => {
  it("a page of the new TSS is missing: #PF, nothing changed", () => {
    // Paging in legacy mode: one table that maps the first 2 MiB.
    for (let i = 0; i < 512; i++) b.write(AT.TABLES + 0x1000 + i * 4, 4, i * 0x1000 + 3);
    b.write(AT.TABLES, 4, AT.TABLES + 0x1000 + 3);
    b.write(AT.TABLES + 0x1000 + (C >> 12) * 4, 4, 0);
    b.cpu.set32(OFF.CR3, AT.TABLES);
    b.cpu.set32(OFF.CR0, b.cpu.get32(OFF.CR0) | (1 << 31));
    b.cpu.flushTlb();
    b.expectFault(V.PF, 0, /not present|page/, ...farJump(TSS_C, 0));
  });
  it.each([
    ["a TSS in the LDT", 0x0c, V.GP, 0x0c],
    ["a null TSS in a task gate", 0, V.GP, 0],
    ["a TSS outside the GDT", 0x108, V.GP, 0x108],
    ["a busy TSS", S.TSS, V.GP, S.TSS],
  ] as const)("a task gate for %s", (_name, selector, vector, code) => {
    b.write(AT.GDT + S.TASK_GATE + 2, 2, selector);
    b.expectFault(vector, code, /TSS/, ...farJump(S.TASK_GATE, 0));
  });
  it("a task gate that is not present, or of too high a privilege", () => {
    b.changeAccess(S.TASK_GATE, 0x65);
    b.expectFault(V.NP, S.TASK_GATE, /not present/, ...farJump(S.TASK_GATE, 0));
    b.changeAccess(S.TASK_GATE, 0x85);
    b.atCpl(3, "protected");
    b.expectFault(V.GP, S.TASK_GATE, /DPL 0/, ...farJump(S.TASK_GATE, 0));
  });
});

describe("nested three deep, and back", () => {
  it("each IRET returns to the one that called", () => {
    expect(b.exec(...farCall(S.TSS_B, 0))).toBeUndefined();
    expect(b.exec(...farCall(TSS_C, 0))).toBeUndefined();
    expect([b.read(C, 2), b.read(B, 2), b.flags & EFLAGS.NT]).toEqual([S.TSS_B, S.TSS, EFLAGS.NT]);
    expect([S.TSS, S.TSS_B, TSS_C].map((s) => b.descriptorAccess(s))).toEqual([0x8b, 0x8b, 0x8b]);
    b.cpu.setGpr(GPR.RDX, 0xd0dn);
    expect(b.exec(0xcf)).toBeUndefined();
    expect([b.rip, b.cpu.selector(SEG.TR), b.flags & EFLAGS.NT]).toEqual([0x6007, S.TSS_B, EFLAGS.NT]);
    expect(b.exec(0xcf)).toBeUndefined();
    expect([b.rip, b.cpu.selector(SEG.TR), b.flags & EFLAGS.NT]).toEqual([AT.CODE + 7, S.TSS, 0]);
    expect([S.TSS, S.TSS_B, TSS_C].map((s) => b.descriptorAccess(s))).toEqual([0x8b, 0x89, 0x89]);
    // The task that has returned is where it stopped, NT clear.
    expect([b.read(C + 0x30, 4), b.read(C + field.ip, 4), b.read(C + field.flags, 4) & EFLAGS.NT]).toEqual([
      0xd0d,
      HANDLER + 1,
      0,
    ]);
  });
  it("a task cannot call itself, nor one that waits", () => {
    b.exec(...farCall(S.TSS_B, 0));
    b.expectFault(V.GP, S.TSS, /available/, ...farCall(S.TSS, 0));
    b.expectFault(V.GP, S.TSS_B, /available/, ...farJump(S.TSS_B, 0));
  });
  it("JMP out of a nested task keeps the busy bit of the caller only", () => {
    b.exec(...farCall(S.TSS_B, 0));
    expect(b.exec(...farJump(TSS_C, 0))).toBeUndefined();
    expect([S.TSS, S.TSS_B, TSS_C].map((s) => b.descriptorAccess(s))).toEqual([0x8b, 0x89, 0x8b]);
    expect(b.flags & EFLAGS.NT).toBe(0);
  });
});
