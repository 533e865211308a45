/**
 * Conditions of breakpoints in compiled code: as IR they mean what the evaluator says, in code that loops until it is compiled. The
 * expressions are random; each is asked at a place where registers, flags and memory change from round to round.
 */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { testOf } from "../../../src/adapter/debug/condition-test.ts";
import { evaluate } from "../../../src/adapter/debug/expression.ts";
import { PlacedSymbols } from "../../../src/adapter/debug/placed-symbols.ts";
import { ExpressionError } from "../../../src/adapter/debug/reference.ts";
import { expressionScope } from "../../../src/adapter/debug/scope.ts";
import { SymbolIndex } from "../../../src/adapter/debug/symbols.ts";
import type { Target } from "../../../src/adapter/debug/target.ts";
import { CODE, TestMachine } from "../../emu/cpu/kit.ts";

const HOT = 20;
const ROUNDS = 80;
const DATA = 0x30000;

/** A loop with many flags, registers and bytes of memory on the move; the breakpoint is at its head. */
const LOOPS = {
  // imul rax, rax, 0x5851f42d; inc rax; rol rbx, 7; xor rbx, rax; mov [rsi+8], bl; mov rdx, [rsi]; add rdx, rax; mov [rsi], rdx; cmp bl, ah; jmp
  64: "4869c02df45158 48ffc0 48c1c307 4831c3 885e08 488b16 4801c2 488916 38e3 ebdf",
  // the same on 32-bit registers
  32: "69c02df45158 40 c1c307 31c3 885e08 8b16 01c2 8916 38e3 ebe7",
} as const;
type Bits = keyof typeof LOOPS;

const registers = { 64: ["rax", "rbx", "rdx", "rcx", "rsi", "r9", "r15d", "r8w", "r10b", "sil"], 32: ["esi", "ecx"] };
const leaf = (bits: Bits) =>
  fc.oneof(
    fc.constantFrom(
      ...registers[bits],
      "eax",
      "bx",
      "al",
      "ah",
      "bh",
      "dl",
      "CF",
      "ZF",
      "SF",
      "OF",
      "PF",
      "AF",
      "IF",
      "IOPL",
      "DF",
    ),
    fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }).map((n) => `0x${n.toString(16)}`),
    fc.nat(70).map(String),
    fc.constantFrom(...["byte", "word", "dword", "qword"].map((size) => `${size} [${bits === 64 ? "rsi" : "esi"}+3]`)),
    fc.constantFrom(`[ds:${DATA}]`, `byte [fs:${DATA + 1}]`, `dword [${DATA + 0xffe}]`, "marker"),
  );
const BINARY = ["||", "&&", "|", "^", "&", "==", "!=", "<", "<=", ">", ">=", "<<", ">>", "+", "-", "*", "/", "%"];
const CASTS = ["byte", "word", "dword", "qword", "int8", "int16", "int32", "int64"];
const expression = (bits: Bits) =>
  fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { maxDepth: 4, withCrossShrink: true },
      leaf(bits),
      fc.tuple(tie("tree"), fc.constantFrom(...BINARY), tie("tree")).map(([a, op, b]) => `(${a}) ${op} (${b})`),
      fc.tuple(fc.constantFrom("-", "~", "!", "+"), tie("tree")).map(([op, a]) => `${op}(${a})`),
      fc.tuple(fc.constantFrom(...CASTS), tie("tree")).map(([cast, a]) => `${cast}(${a})`),
    ),
  })).tree;

const MARKER = new PlacedSymbols([
  { key: "", base: 0, index: new SymbolIndex([{ name: "marker", address: DATA + 2 }], () => []) },
]);

function machineFor(bits: Bits) {
  const test = new TestMachine({ bits, ram: 0x100000, hotAfter: HOT });
  test.load(LOOPS[bits]);
  for (const [i, name] of ["RAX", "RBX", "RCX", "RDX", "R8", "R9", "R10", "R15"].entries()) {
    if (bits === 64 || i < 4) test.set(name as "RAX", 0x0123_4567_89ab_cdefn * BigInt(i + 3));
  }
  test.set("RSI", DATA);
  const target = { symbols: () => MARKER, kernel: undefined };
  return { cpu: test.cpu, scope: () => expressionScope(target as unknown as Target, test.cpu) };
}

/** Whether the condition holds, by the evaluator; one that cannot be evaluated counts as one that does. */
function holds(text: string, scope: ReturnType<typeof expressionScope>): boolean {
  try {
    return evaluate(text, scope).value !== 0n;
  } catch (error) {
    if (error instanceof ExpressionError) return true;
    throw error;
  }
}

/** Instruction counts at which the run stops for the condition; with `tested`, compiled code decides whether it is asked. */
function stops(bits: Bits, condition: string, tested: boolean): { counts: number[]; asked: number } {
  const { cpu, scope } = machineFor(bits);
  const counts: number[] = [];
  let asked = 0;
  cpu.hooks.breakpoint = () => {
    asked++;
    if (holds(condition, scope())) counts.push(Number(cpu.icount));
    return false;
  };
  if (tested) cpu.hooks.breakpointTest = (_, mode) => testOf([condition], scope(), mode);
  cpu.setBreakpoints([CODE]);
  cpu.run(ROUNDS * 10);
  return { counts, asked };
}

describe.each([64, 32] as const)("conditions in compiled %i-bit code", (bits) => {
  it("hold where the evaluator says so", () => {
    let spared = 0;
    fc.assert(
      fc.property(expression(bits), (condition) => {
        const [plain, tested] = [stops(bits, condition, false), stops(bits, condition, true)];
        expect(tested.counts).toEqual(plain.counts);
        expect(plain.asked).toBe(ROUNDS);
        spared += plain.asked - tested.asked;
      }),
      { numRuns: 150, seed: 5 },
    );
    // the property would hold of a test that always says perhaps
    expect(spared).toBeGreaterThan(1000);
  });

  it("are not asked about where they are false", () => {
    const { asked, counts } = stops(bits, "al == 300 && ZF || dword [esi] != dword [esi]", true);
    expect(counts).toEqual([]);
    expect(asked).toBeLessThan(HOT + 2);
  });
});
