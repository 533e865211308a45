/** Prints a request as source text. Symbolic values are the external symbol `ext`; a branch with a known target goes to itself. */
import { Register } from "../../../src/emu/cpu/iced.ts";
import type { AsmOperand, EncodeRequest, Memory, Syntax } from "./line.ts";

const KEPT_ORDER = new Set(["bound", "enter", "enterw", "enterl", "enterq", "boundw", "boundl"]);

export function registerName(register: number): string {
  const name = (Register as unknown as Record<number, string>)[register]!.toLowerCase();
  const low = /^(r\d+)l$/.exec(name);
  if (low) return `${low[1]}b`;
  return name;
}

const stName = (name: string, syntax: Syntax): string => {
  const match = /^st(\d)$/.exec(name);
  if (match === null || syntax === "nasm") return name;
  return `st(${match[1]})`;
};

const number = (value: bigint): string => (value < 0n ? `-0x${(-value).toString(16)}` : `0x${value.toString(16)}`);

const NASM_SIZES: Readonly<Record<number, string>> = {
  1: "byte",
  2: "word",
  4: "dword",
  8: "qword",
  10: "tword",
  16: "oword",
  32: "yword",
  64: "zword",
};
const INTEL_SIZES: Readonly<Record<number, string>> = {
  1: "byte ptr",
  2: "word ptr",
  4: "dword ptr",
  6: "fword ptr",
  8: "qword ptr",
  10: "tbyte ptr",
  16: "xmmword ptr",
  32: "ymmword ptr",
  64: "zmmword ptr",
};
const BITS: Readonly<Record<number, string>> = { 8: "byte", 16: "word", 32: "dword", 64: "qword" };

function sum(memory: Memory): string {
  const parts: string[] = [];
  if (memory.base !== 0) parts.push(registerName(memory.base));
  if (memory.index !== 0)
    parts.push(
      memory.scale === 1 && memory.base !== 0
        ? registerName(memory.index)
        : `${registerName(memory.index)}*${memory.scale}`,
    );
  if (memory.displacement !== undefined || parts.length === 0) {
    const value = memory.displacement?.known;
    parts.push(memory.displacement === undefined ? "0" : value === undefined ? "ext" : number(value));
  }
  return parts.join("+").replaceAll("+-", "-");
}

function nasmMemory(memory: Memory): string {
  const size = memory.size === 0 ? "" : `${NASM_SIZES[memory.size] ?? ""} `;
  const address = memory.addressSize === undefined ? "" : `a${memory.addressSize} `;
  const width = memory.displacementSize === undefined ? "" : `${BITS[memory.displacementSize]} `;
  const nosplit = memory.nosplit ? "nosplit " : "";
  const relative = memory.relative === undefined ? "" : memory.relative ? "rel " : "abs ";
  const segment = memory.segment === 0 ? "" : `${registerName(memory.segment)}:`;
  return `${memory.far ? "far " : ""}${size}[${address}${width}${nosplit}${relative}${segment}${sum(memory)}]`;
}

function attMemory(memory: Memory): string {
  const segment = memory.segment === 0 ? "" : `%${registerName(memory.segment)}:`;
  const given = memory.displacement;
  const displacement = given === undefined ? "" : given.known === undefined ? "ext" : number(given.known);
  if (memory.base === 0 && memory.index === 0)
    return `${segment}${memory.relative ? `${displacement}(%rip)` : displacement || "0"}`;
  const base = memory.base === 0 ? "" : `%${registerName(memory.base)}`;
  const index = memory.index === 0 ? "" : `,%${registerName(memory.index)},${memory.scale}`;
  return `${segment}${displacement}(${base}${index})`;
}

function intelMemory(memory: Memory): string {
  const keyword = memory.size === 0 ? "" : `${INTEL_SIZES[memory.size] ?? ""} `;
  const size = memory.broadcast === "bcst" ? keyword.replace("ptr", "bcst") : keyword;
  const segment = memory.segment === 0 ? "" : `${registerName(memory.segment)}:`;
  const body = memory.relative && memory.base === 0 ? `ext[rip]` : `[${sum(memory)}]`;
  return `${size}${segment}${body}`;
}

function immediate(operand: Extract<AsmOperand, { kind: "imm" }>, syntax: Syntax): string {
  const value = operand.value.known === undefined ? "ext" : number(operand.value.known);
  if (syntax === "att") return `$${value}`;
  if (syntax === "intel") return operand.value.known === undefined ? "offset ext" : value;
  return `${operand.strict ? "strict " : ""}${operand.size === undefined ? "" : `${BITS[operand.size]} `}${value}`;
}

function decorations(operand: AsmOperand, syntax: Syntax): string {
  if (operand.kind !== "reg" && operand.kind !== "mem") return "";
  const percent = syntax === "att" ? "%" : "";
  const elements = operand.kind === "mem" && typeof operand.broadcast === "number" ? `{1to${operand.broadcast}}` : "";
  const { opmask = 0, zeroing = false } = operand.mask ?? {};
  return `${elements}${opmask === 0 ? "" : `{${percent}${registerName(opmask)}}`}${zeroing ? "{z}" : ""}`;
}

function operandText(operand: AsmOperand, syntax: Syntax): string {
  return plainText(operand, syntax) + decorations(operand, syntax);
}

function plainText(operand: AsmOperand, syntax: Syntax): string {
  switch (operand.kind) {
    case "reg": {
      const name = stName(registerName(operand.reg), syntax);
      return syntax === "att" ? `%${name}` : name;
    }
    case "imm":
      return immediate(operand, syntax);
    case "mem":
      return syntax === "nasm" ? nasmMemory(operand) : syntax === "att" ? attMemory(operand) : intelMemory(operand);
    case "target": {
      const place = operand.value.known === undefined ? "ext" : syntax === "nasm" ? "$" : ".";
      const distance = operand.distance !== undefined && syntax === "nasm" ? `${operand.distance} ` : "";
      return distance + place;
    }
    case "far": {
      const selector = number(operand.selector.known!);
      const offset = operand.offset.known === undefined ? "ext" : number(operand.offset.known);
      const size = operand.size === undefined ? "" : operand.size === 16 ? "word " : "dword ";
      if (syntax === "nasm") return `${size}${selector}:${offset}`;
      return syntax === "att" ? `$${selector},$${offset}` : `${selector},${offset}`;
    }
  }
}

const isIndirect = (request: EncodeRequest): boolean => /^l?(call|jmp)[wlq]?$/.test(request.mnemonic);

export function printRequest(request: EncodeRequest, syntax: Syntax): string {
  const operands = request.operands.map((operand) => {
    const text = operandText(operand, syntax);
    return syntax === "att" && isIndirect(request) && (operand.kind === "reg" || operand.kind === "mem")
      ? `*${text}`
      : text;
  });
  if (request.rounding !== undefined) operands.splice(request.rounding.after, 0, `{${request.rounding.mode}}`);
  if (syntax === "att" && !KEPT_ORDER.has(request.mnemonic)) operands.reverse();
  const hints = request.hints.map((hint) => `{${hint}} `).join("");
  const prefixes = request.prefixes.map((prefix) => `${prefix} `).join("");
  return `${hints}${prefixes}${request.mnemonic} ${operands.join(", ")}`.trimEnd();
}
