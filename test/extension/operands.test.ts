/** What hovers and inline values ask for: operands of both syntaxes as expressions. */
import { describe, expect, it } from "vitest";
import { type Dialect, operandAt, operandsOn } from "../../extension/operands.ts";

const on = (line: string, dialect: Dialect) => operandsOn(line, dialect).map(({ expression }) => expression);
/** Under the caret of the second text. */
const at = (line: string, caret: string, dialect: Dialect = "nasm") =>
  operandAt(line, caret.indexOf("^"), dialect)?.expression;

describe("operands of a line, NASM", () => {
  it.each([
    ["    mov rbx, [count]", ["rbx", "qword [count]"]],
    ["again: add eax, dword [rbx + rcx*4 - 8] ; [no]", ["eax", "dword [rbx + rcx*4 - 8]", "rbx", "rcx"]],
    ["  movzx eax, byte [rel table]", ["eax", "byte [table]"]],
    ["  lea rsi, [rdi+8]", ["rsi", "rdi+8", "rdi"]],
    ["  lock inc dword [fs:0x28]", ["dword [fs:0x28]"]],
    ["  mov ax, [ss:esp+4]", ["ax", "word [ss:esp+4]", "esp"]],
    ["  xor edi, edi", ["edi"]],
    ["  mov al, ';' ; al", ["al"]],
    ["  jnz again", ["ZF"]],
    ["  cmovle r9d, eax", ["r9d", "eax", "ZF", "SF", "OF"]],
    ["  syscall", []],
    ["msg: db 'rax', 10", []],
    ["; mov eax, [ebx]", []],
    ["", []],
  ])("%s", (line, expressions) => expect(on(line, "nasm")).toEqual(expressions));
});

describe("operands of a line, GNU", () => {
  it.each([
    ["\tmovl -4(%rbp,%rax,4), %ecx", ["dword [rbp+rax*4-4]", "rbp", "rax", "ecx"]],
    ["\tleaq msg(%rip), %rsi", ["msg", "rsi"]],
    ["\tmovq %rsp, TASK_threadsp(%rdi) # (%rax)", ["rsp", "qword [rdi+TASK_threadsp]", "rdi"]],
    ["\tincl (%rbx)", ["dword [rbx]", "rbx"]],
    ["\tmovzbl 1(%rsi), %eax", ["byte [rsi+1]", "rsi", "eax"]],
    ["\tmovq %gs:8(%rax), %rdx", ["qword [gs:rax+8]", "rax", "rdx"]],
    ["1:\tjbe 1b // %rax", ["CF", "ZF"]],
    ["\tmov eax, dword ptr [rbx]", ["eax", "dword [rbx]", "rbx"]],
    ["\tcall *%rax", ["rax"]],
  ])("%s", (line, expressions) => expect(on(line, "gas")).toEqual(expressions));
});

describe("what is under the pointer", () => {
  it("a register, in brackets too", () => {
    expect(at("  mov rbx, [rsi+8]", "             ^")).toBe("rsi");
    expect(at("  movq %rbx, %rax", "        ^", "gas")).toBe("rbx");
  });
  it("the memory operand around it", () => {
    expect(at("  mov rbx, [count]", "             ^")).toBe("qword [count]");
    expect(at("  mov rbx, [rsi+8]", "           ^")).toBe("qword [rsi+8]");
    expect(at("  movl 8(%rsi), %eax", "       ^", "gas")).toBe("dword [rsi+8]");
  });
  it("a name", () => {
    expect(at("  call print", "         ^")).toBe("print");
    expect(at("msg: db 10", " ^")).toBe("msg");
    expect(at("  mov rsi, $len", "            ^", "gas")).toBe("len");
  });
  it("nothing in comments and blanks", () => {
    expect(at("  ret ; rax", "        ^")).toBeUndefined();
    expect(at("  ret", "^")).toBeUndefined();
  });
});
