/** Operands of the instruction on a line, as expressions that evaluate to what it reads. */
import { expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/operands.asm";

interface Operand {
  readonly kind: string;
  readonly expression: string;
}

async function start(text: string, configuration: object = {}, uri = program) {
  const client = new DapClient({ [uri]: text });
  await client.launch({ program: uri, ...configuration });
  const on = async (line: number): Promise<Operand[]> => {
    const { id } = await client.topFrame();
    const { operands } = await client.ok("ringside/operands", { frameId: id, source: { path: uri }, line });
    return operands;
  };
  return { client, on, expressions: async (line: number) => (await on(line)).map(({ expression }) => expression) };
}

const MANY = `bits 64
global _start
_start: mov rbx, [rel count]
 add eax, [rbx + rcx*4 - 8]
 movzx eax, byte [table + rdi]
 lea rsi, [rdi+80]
 lock inc dword [fs:0x28]
 mov ax, [esp+4]
 xor edi, edi
 jnz _start
 cmovle r9d, eax
 movsb
 syscall
 section .data
 dq 0
count: dq 42
table: db 7
`;

it.each([
  [3, ["qword [count]", "rbx"]],
  [4, ["dword [rbx+rcx*4-8]", "eax", "rbx", "rcx"]],
  [5, ["byte [rdi+table]", "eax", "rdi"]],
  [6, ["rdi+0x50", "rsi", "rdi"]],
  [7, ["dword [fs:0x28]"]],
  [8, ["word [esp+4]", "ax", "esp"]],
  [9, ["edi"]],
  [10, ["ZF"]],
  [11, ["r9d", "eax", "OF", "SF", "ZF"]],
  [12, ["byte [rdi]", "byte [rsi]", "rdi", "rsi"]],
  [13, []],
  [14, []],
  [99, []],
])("line %i", async (line, wanted) => {
  const { client, expressions } = await start(MANY);
  expect(await expressions(line)).toEqual(wanted);
  client.check();
});

it("come to the values that the instruction reads", async () => {
  const { client, expressions } = await start(MANY);
  const [memory] = await expressions(3);
  expect(await client.evaluate(`${memory},d`)).toBe("42");
});

it("of GNU sources, and of a macro's instruction that comes next", async () => {
  const text = ".macro both\n mov %rsp, %rbp\n incl -4(%rsp)\n.endm\n.globl _start\n_start: both\n nop\n";
  const { client, expressions } = await start(text, {}, "file:///w/operands.s");
  expect(await expressions(2)).toEqual(["rbp", "rsp"]);
  await client.run("stepIn", { granularity: "instruction" });
  const { line } = await client.topFrame();
  expect(await expressions(line)).toEqual(["dword [rsp-4]", "rsp"]);
});

it("count from the segment's base where that is not 0", async () => {
  const boot = "bits 16\n mov ax, 0x200\n mov ds, ax\n mov al, [bx+1]\n hlt\n";
  const { client, expressions } = await start(boot, { arch: "bare" });
  expect(await expressions(4)).toEqual(["byte [bx+1]", "al", "bx"]);
  for (let steps = 0; steps < 2; steps++) await client.run("stepIn", { granularity: "instruction" });
  expect(await expressions(4)).toEqual(["byte [ds:bx+1]", "al", "bx"]);
});
