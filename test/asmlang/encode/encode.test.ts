/** What the encoder answers besides bytes: errors in the field's words, fixups, long branches, warnings. */
import { describe, expect, it } from "vitest";
import { type AsmOperand, type EncodeRequest, encode } from "../../../src/asmlang/encode/index.ts";
import { Register } from "../../../src/emu/cpu/iced.ts";

type Memory = Extract<AsmOperand, { kind: "mem" }>;

const reg = (name: keyof typeof Register): AsmOperand => ({ kind: "reg", reg: Register[name] as unknown as number });
const imm = (value?: number | bigint): AsmOperand => ({
  kind: "imm",
  value: { known: value === undefined ? undefined : BigInt(value) },
});
const symbol = { known: undefined };
const target: AsmOperand = { kind: "target", value: symbol };
const mem = (fields: Partial<Memory> = {}): AsmOperand => ({
  kind: "mem",
  segment: 0,
  base: Register.RBX,
  index: 0,
  scale: 1,
  displacement: undefined,
  size: 0,
  ...fields,
});

function ask(mnemonic: string, operands: readonly AsmOperand[] = [], more: Partial<EncodeRequest> = {}) {
  return encode({
    dialect: "nasm",
    intelMnemonics: false,
    bits: 64,
    mnemonic,
    operands,
    prefixes: [],
    hints: [],
    ...more,
  });
}

function hex(mnemonic: string, operands: readonly AsmOperand[] = [], more: Partial<EncodeRequest> = {}): string {
  const result = ask(mnemonic, operands, more);
  return result.ok ? Buffer.from(result.best.bytes).toString("hex") : `error: ${result.message}`;
}

const gas = { dialect: "gas" } as const;
const error = (...request: Parameters<typeof ask>) => {
  const result = ask(...request);
  return result.ok ? undefined : { message: result.message, operand: result.operand };
};

describe("errors", () => {
  it("names the nearest mnemonic", () => {
    expect(error("leaa")).toEqual({ message: 'unknown instruction "leaa"; did you mean "lea"?', operand: -1 });
  });

  it("asks for an operation size, and says which operand lacks it", () => {
    expect(error("mov", [mem(), imm(1)])).toEqual({ message: "operation size not specified", operand: 0 });
    expect(error("movzx", [reg("EAX"), mem()])).toEqual({ message: "operation size not specified", operand: 1 });
  });

  it("tells a wrong mode from a wrong combination", () => {
    expect(error("daa")?.message).toBe("instruction not supported in 64-bit mode");
    expect(error("push", [reg("EAX")])?.message).toBe("instruction not supported in 64-bit mode");
    expect(error("syscall", [reg("EAX")])?.message).toMatch(/^invalid combination of opcode and operands/);
    expect(error("mov", [reg("EAX"), reg("BL")])?.message).toMatch(/^invalid combination of opcode and operands/);
    expect(error("mov", [reg("EAX"), reg("BL")])?.operand).toBe(1);
    expect(error("syscall", [reg("EAX")])?.message).toMatch(/"syscall" takes no operands$/);
    expect(error("lldt", [reg("EAX")])?.message).toMatch(/"lldt" takes: r\/m16$/);
  });

  it("refuses registers that cannot be encoded together or in this mode", () => {
    expect(error("mov", [reg("AH"), reg("R8L")])?.operand).toBe(0);
    expect(error("mov", [reg("R8D"), reg("EAX")], { bits: 32 })?.message).toMatch(/not available in 32-bit mode/);
  });

  it("refuses impossible addresses", () => {
    expect(error("mov", [reg("EAX"), mem({ index: Register.RSP, scale: 2 })])?.operand).toBe(1);
    expect(error("mov", [reg("EAX"), mem({ index: Register.ECX })])?.operand).toBe(1);
  });

  it("refuses prefixes that GNU as refuses", () => {
    expect(error("add", [reg("EAX"), reg("EBX")], { ...gas, prefixes: ["lock"] })?.message).toMatch(/lockable/);
    expect(error("add", [reg("EAX"), reg("EBX")], { ...gas, prefixes: ["rep"] })?.message).toMatch(/after "rep"/);
    const warned = ask("add", [reg("EAX"), reg("EBX")], { prefixes: ["lock"] });
    expect(warned.ok && warned.best.warnings).toEqual(["instruction is not lockable"]);
  });
});

describe("values that layout fills in", () => {
  it("reserves what the tools reserve", () => {
    expect(hex("mov", [reg("RAX"), imm()])).toBe("48b80000000000000000");
    expect(hex("mov", [reg("RAX"), imm()], gas)).toBe("48c7c000000000");
    expect(hex("add", [reg("ECX"), imm()])).toBe("81c100000000");
    expect(hex("mov", [reg("EAX"), mem({ displacement: symbol })])).toBe("8b8300000000");
  });

  it("gives a relative displacement the distance to the instruction's end", () => {
    const memory = mem({ base: 0, displacement: symbol, relative: true, size: 4 });
    const result = ask("mov", [memory, imm(5)]);
    const fixup = { offset: 2, size: 4, kind: "pcrel", signed: true, operand: 0, part: "displacement", addend: -8 };
    expect(result.ok && result.best.fixups).toEqual([fixup]);
  });

  it("marks sign-extended fields", () => {
    const result = ask("push", [imm()]);
    expect(result.ok && result.best.fixups[0]?.signed).toBe(true);
    const zero = ask("mov", [reg("EAX"), imm()]);
    expect(zero.ok && zero.best.fixups[0]?.signed).toBe(false);
  });

  it("offers short and near branches", () => {
    const jump = ask("jne", [target]);
    expect(jump.ok && [...jump.best.bytes]).toEqual([0x75, 0]);
    expect(jump.ok && jump.long && [...jump.long.bytes]).toEqual([0x0f, 0x85, 0, 0, 0, 0]);
    const short: AsmOperand = { kind: "target", value: symbol, distance: "short" };
    const forced = ask("jmp", [short]);
    expect(forced.ok && forced.long).toBeUndefined();
    const loop = ask("loop", [target]);
    expect(loop.ok && loop.long).toBeUndefined();
  });

  it("warns of values that lose bits", () => {
    const result = ask("mov", [reg("AL"), imm(300)]);
    expect(result.ok && result.best.warnings).toEqual(["value does not fit and is truncated"]);
  });
});

describe("choice of form", () => {
  it.each([
    ["mov rax, 5", () => hex("mov", [reg("RAX"), imm(5)]), "b805000000"],
    ["mov $5, %rax", () => hex("mov", [reg("RAX"), imm(5)], gas), "48c7c005000000"],
    ["mov rax, -1", () => hex("mov", [reg("RAX"), imm(-1)]), "48c7c0ffffffff"],
    ["mov $0xffffffff, %rax", () => hex("mov", [reg("RAX"), imm(0xffffffff)], gas), "48b8ffffffff00000000"],
    ["[eax*2]", () => hex("lea", [reg("EAX"), mem({ base: 0, index: Register.RAX, scale: 2 })]), "8d0400"],
    [
      "[nosplit rax*2]",
      () => hex("lea", [reg("EAX"), mem({ base: 0, index: Register.RAX, scale: 2, nosplit: true })]),
      "8d044500000000",
    ],
    ["o64 sysret", () => hex("sysret", [], { prefixes: ["o64"] }), "480f07"],
    ["jmp far dword [rbx]", () => hex("jmp", [mem({ size: 4, far: true })]), "ff2b"],
    ["{load} mov", () => hex("mov", [reg("EAX"), reg("EBX")], { ...gas, hints: ["load"] }), "8bc3"],
    ["{disp32} mov", () => hex("mov", [reg("EAX"), mem()], { ...gas, hints: ["disp32"] }), "8b8300000000"],
    ["push word 5", () => hex("push", [{ kind: "imm", value: { known: 5n }, size: 16 }]), "666a05"],
    [
      "push strict dword 5",
      () => hex("push", [{ kind: "imm", value: { known: 5n }, size: 32, strict: true }]),
      "6805000000",
    ],
  ])("%s", (_, make, bytes) => {
    expect(make()).toBe(bytes);
  });
});
