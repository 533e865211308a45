/** What a hover asks for, by what is under the pointer and what the adapter says of the line. */
import { expect, it } from "vitest";
import { inFull, type Operand, pointedAt } from "../../extension/pointed-at.ts";

const memory = (expression: string): Operand => ({ kind: "memory", expression });
const register = (expression: string): Operand => ({ kind: "register", expression });

/** Under the caret of the second text. */
const at = (line: string, caret: string, ...operands: Operand[]) => pointedAt(line, caret.indexOf("^"), operands)?.text;

it.each([
  ["  mov RBX, [rsi+8]", "             ^", "rsi"],
  ["  mov RBX, [rsi+8]", "       ^", "RBX"],
  ["  mov rbx, [rsi+8]", "           ^", "qword [rsi+8]"],
  ["  mov rbx, [rsi+8]", "                 ^", "qword [rsi+8]"],
  ["  add qword [rsi + 8], rbx", "       ^", "qword [rsi+8]"],
  ["  add qword [rsi + 8], rbx", "                        ^", "rbx"],
  ["  movq %rbx, 8(%rsi)", "        ^", "%rbx"],
  ["  movq %rbx, 8(%rsi)", "                ^", "%rsi"],
  ["  movq %rbx, 8(%rsi)", "             ^", "qword [rsi+8]"],
  ["  movq %rbx, %gs:8(%rsi)", "             ^", "qword [rsi+8]"],
])("%s: %s is %s", (line, caret, text) =>
  expect(at(line, caret, memory("qword [rsi+8]"), register("rbx"), register("rsi"))).toBe(text),
);

it("a name alone, and in brackets the memory at it", () => {
  expect(at("  call print", "         ^")).toBe("print");
  expect(at("msg: db 10", " ^")).toBe("msg");
  expect(at("  mov rsi, $len", "            ^")).toBe("$len");
  expect(at("  inc dword [count]", "               ^", memory("dword [count]"))).toBe("dword [count]");
});

it("the word where nothing is known of the line, and nothing at blanks", () => {
  expect(at("  mov rbx, [count]", "              ^")).toBe("count");
  expect(at("  ret", "^")).toBeUndefined();
});

it("a local label of NASM belongs to the last label before it that is none", () => {
  const lines = ["first: nop", ".loop: nop", "second:", " mov eax, [.loop]", ".loop: jmp .loop"];
  expect(inFull(".loop", () => lines)).toBe("second.loop");
  expect(inFull(".loop", () => lines.slice(0, 2))).toBe("first.loop");
  expect(inFull(".loop", () => [" jmp .loop"])).toBe(".loop");
  expect(inFull("first", () => lines)).toBe("first");
});
