import { describe, expect, it } from "vitest";
import { interpolate } from "../../../src/adapter/debug/breakpoints.ts";
import { evaluate, formatValue, type Scope } from "../../../src/adapter/debug/expression.ts";
import { ExpressionError, type Reference } from "../../../src/adapter/debug/reference.ts";

function cell(bits: number, value: bigint): Reference & { now: () => bigint } {
  let held = value;
  return {
    bits,
    read: () => held,
    write: (next) => {
      held = BigInt.asUintN(bits, next);
    },
    now: () => held,
  };
}

const rax = cell(64, 0x1234n);
const zf = cell(1, 1n);
const memory = cell(32, 0xdeadbeefn);
const scope: Scope = {
  name: (name) =>
    ({ rax, ZF: zf, "pt_regs.ip": cell(64, 0x401000n), unmapped: { bits: 8, read: () => undefined } })[name],
  memory: (segment, offset, bytes) =>
    offset === 0x10n && segment === "ss" && bytes === 4 ? memory : { bits: bytes * 8, read: () => undefined },
  wordBytes: 8,
};
const show = (text: string) => formatValue(evaluate(text, scope));

describe("expressions", () => {
  it.each([
    ["rax", "0x1234"],
    ["rax + 1", "0x1235"],
    ["rax,d", "4660"],
    ["2 + 3 * 4,d", "14"],
    ["(2 + 3) * 4,d", "20"],
    ["1 << 4 | 1", "0x11"],
    ["-1", "0xffffffffffffffff"],
    ["-1,d", "-1"],
    ["~0 == 0xffffffffffffffff", "0x1"],
    ["ZF", "1"],
    ["ZF == 1 && rax > 5", "0x1"],
    ["!rax", "0x0"],
    ["dword [ss:0x10]", "0xdeadbeef"],
    ["dword ptr [ss:8+8]", "0xdeadbeef"],
    ["pt_regs.ip", "0x401000"],
    ["%rax", "0x1234"],
    ["1fh,d", "31"],
    ["0b101,d", "5"],
    ["'A'", "0x41"],
    ["1_000,d", "1000"],
    ["65,c", '"A"'],
    ["ZF,b", "0b1"],
    ["7 / 2,d", "3"],
    ["7 % 4,d", "3"],
    ["3 >= 3", "0x1"],
    ["0xffffffffffffffff", "0xffffffffffffffff"],
    ["'=' == 61", "0x1"],
    ["0x10000000000000000 + 1", "0x10000000000000001"],
    ["0x10000000000000000 > 1", "0x1"],
    ["1 << 65", "0x2"],
    ["1.5 + 1", "2.5"],
    ["-7 / 2.0", "-3.5"],
    ["int8(255) * 0.5", "-0.5"],
    ["0.1,x", "0x3fb999999999999a"],
    ["int64(-2.9),d", "-2"],
    ["int32(1.0 / 0.0)", "0x80000000"],
    ["!0.0", "0x1"],
  ])("%s is %s", (text, result) => {
    expect(show(text)).toBe(result);
  });

  it("assigns to what can be written, and gives the value as it was stored", () => {
    const result = evaluate("dword [ss:0x10] = 0x1ffffffff", scope);
    expect(memory.now()).toBe(0xffffffffn);
    expect(result.value).toBe(0xffffffffn);
    evaluate("rax = rax * 2", scope);
    expect(rax.now()).toBe(0x2468n);
    rax.write!(0x1234n);
  });

  it.each([
    ["nosuch + 1", 0, /named "nosuch"/],
    ["1 +", 3, /ends too early/],
    ["(1 + 2", 6, /"\)" is missing/],
    ["1 2", 2, /"2" was not expected/],
    ["rax / 0", 4, /division by zero/],
    ["1 = 2", 0, /cannot be assigned/],
    ["[0x99]", 0, /no memory mapped at 0x99/],
    ["rax ? 1", 4, /no meaning/],
    ["0x12g4", 0, /no number/],
    ["rax,q", 4, /a format is one of/],
    ["unmapped", 0, /cannot be read now/],
    [`1 + 0x1${"0".repeat(64)}`, 4, /has more than 256 bits/],
    ["rax + [zz:rax]", 7, /"zz" is none of es cs ss ds fs gs/],
    ["[0x2b:rax]", 1, /"0x2b" is none of/],
    ["'AB'", 0, /a character is one between quotes: 'A'/],
    ["1 + \u{1f600}", 4, /"\u{1f600}" has no meaning here/u],
  ])("%s fails at column %i", (text, column, message) => {
    try {
      evaluate(text, scope);
      expect.fail("did not fail");
    } catch (error) {
      expect(error).toBeInstanceOf(ExpressionError);
      expect((error as ExpressionError).message).toMatch(message);
      expect((error as ExpressionError).column).toBe(column);
    }
  });

  it("does not tell back all of a long name", () => {
    expect(() => evaluate("x".repeat(100_000), scope)).toThrow(/^no register.{0,200}$/);
  });

  it("fills log messages", () => {
    expect(interpolate("rax is {rax,d}, \\{ZF\\} is {ZF}, {nosuch}", scope)).toBe(
      'rax is 4660, {ZF} is 1, {nosuch: no register, symbol or kernel field is named "nosuch"}',
    );
  });
});
