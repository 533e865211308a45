/** Call stacks of assembly without frame information: how deep they may be, and callers that no way out tells. */
import { expect, it } from "vitest";
import { readConfiguration } from "../../../src/adapter/debug/configuration.ts";
import { createTarget } from "../../../src/adapter/debug/load.ts";
import { CallStack } from "../../../src/adapter/debug/stack.ts";

/** The program, run to the first instruction at `label`. */
async function at(label: string, source: string): Promise<CallStack> {
  const program = "file:///stack.asm";
  const files = { read: async () => new TextEncoder().encode(`bits 64\nglobal _start\n${source}`) };
  const loaded = await createTarget(readConfiguration({ program, cpu: "intel" }), files);
  if (loaded.target === undefined) throw new Error(loaded.problem);
  const { machine, symbols } = loaded.target;
  const goal = symbols(machine.currentCpu).address(label);
  while (machine.currentCpu.linearIp !== goal) expect(loaded.target.run(1).kind).toBe("budget");
  return new CallStack(loaded.target, machine.currentCpu);
}

const named = (stack: CallStack) => stack.first(10).map(({ name, found }) => `${name} ${found}`);

it("finds no more frames than are asked for, and all of a deep recursion", async () => {
  const stack = await at(
    "f.deepest",
    "f: dec edi\n jz .deepest\n call f\n ret\n.deepest: ret\n_start: mov edi, 3000\n call f\n hlt",
  );
  expect(stack.first(20)).toHaveLength(20);
  expect(stack.found).toBe(20);
  expect(stack.at(2999)?.name).toMatch(/^f\+/);
  expect(stack.at(3000)?.name).toMatch(/^_start\+/);
  expect(stack.at(3001)).toBeUndefined();
});

it.each([
  ["never returns", "f: push rbx\n sub rsp, 40\n.here: jmp .here"],
  ["has entered with ENTER, and loops", "f: enter 32, 1\n.here: jmp .here"],
  [
    "has been jumped into through a table that is forgotten",
    "f: push rbx\n lea rax, [rel .here]\n jmp rax\n nop\n.here: xor eax, eax\n jmp rax",
  ],
  [
    "calls what ends the program, another function behind it",
    "f: sub rsp, 24\n.here: call die\ng: add rsp, 8\n ret\ndie: jmp die",
  ],
])("knows the caller of code that %s", async (_what, f) => {
  const stack = await at("f.here", `${f}\n_start: push 1\n call f\n hlt`);
  expect(named(stack)).toEqual(["f.here code", "_start+0x7 code"]);
});

it("knows the caller behind a call of the next instruction, and behind a function that pops its arguments", async () => {
  const source = "f: call .next\n.next: pop rax\n push 2\n call g\n.here: nop\n ret\ng: ret 8\n_start: call f\n hlt";
  expect(named(await at("f.here", source))).toEqual(["f.here code", "_start+0x5 code"]);
});

it("takes no address behind a system call for one that a call returns to", async () => {
  const source =
    "f: lea rax, [rel there]\n push rax\n sub rsp, 8\nf.here: jmp f.here\n syscall\nthere: hlt\n_start: call f\n hlt";
  expect(named(await at("f.here", source))).toEqual(["f.here code", "_start+0x5 code"]);
});

it("names a signal's restorer, which has called nobody, after itself and not after what is before it", async () => {
  const source = `_start: mov eax, 13
    mov edi, 5
    lea rsi, [rel action]
    xor edx, edx
    mov r10d, 8
    syscall
    int3
behind: hlt
handler: nop
.here: ret
restorer: mov eax, 15
    syscall
action: dq handler, 0x04000000, restorer, 0`;
  expect(named(await at("handler.here", source)).map((name) => name.split(" ")[0])).toEqual([
    "handler.here",
    "restorer",
    "behind",
  ]);
});
