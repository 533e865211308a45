/** Steps over and out where stacks change: a frame is known by what it is, not by whether its stack is higher or lower. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/stacks.asm";

/** Runs on `low`; its handler on `high`. `outer` calls `work`, which raises the signal once, and the handler calls `outer` again. */
const SIGNALS = `        bits 64
        global _start
_start: mov rsp, low + 8192
        mov eax, 131
        lea rdi, [rel alt]
        xor esi, esi
        syscall
        mov eax, 13
        mov edi, 10
        lea rsi, [rel act]
        xor edx, edx
        mov r10d, 8
        syscall
        call outer
        mov eax, 60
        xor edi, edi
        syscall
outer:  inc dword [deep]
here:   call work
back:   dec dword [deep]
        ret
work:   cmp dword [deep], 1
        jne done
        mov eax, 39
        syscall
        mov edi, eax
        mov esi, 10
        mov eax, 62
        syscall
struck: nop
done:   ret
handler: nop
        call outer
        ret
restorer: mov eax, 15
        syscall
        section .data
act:    dq handler, 0x0c000000, restorer, 0
alt:    dq high
        dq 0
        dq 8192
deep:   dd 0
        section .bss
        alignb 16
low:    resb 8192
high:   resb 8192
`;

const SWITCHES = `        bits 64
        global _start
_start: mov ecx, 1
first:  call switch
second: mov ecx, 2
        call back
third:  mov eax, 60
        xor edi, edi
        syscall
switch: pop rax
        mov [old], rsp
        mov rsp, stack + 4096
inside: push rax
        ret
back:   pop rax
        mov rsp, [old]
        jmp rax
        section .bss
old:    resq 1
stack:  resb 4096
`;

/** Recursion, each round of it with its own arguments taken off by the callee. */
const RECURSION = `        bits 64
        global _start
_start: mov ecx, 2000
        push rcx
        call down
top:    mov eax, 60
        xor edi, edi
        syscall
down:   mov rcx, [rsp + 8]
        jrcxz end
        dec rcx
        push rcx
site:   call down
after:  inc ebx
end:    ret 8
`;

async function at(text: string, label: string, more: object = {}): Promise<DapClient> {
  const client = new DapClient({ [program]: text });
  await client.launch({ program, cpu: { count: 1 }, ...more }, () =>
    client.ok("setFunctionBreakpoints", { breakpoints: [{ name: label }] }),
  );
  await client.run("continue");
  await client.ok("setFunctionBreakpoints", { breakpoints: [] });
  return client;
}

const nameOf = async (client: DapClient): Promise<string> => (await client.topFrame()).name.split(" ")[0];

describe("a handler on a stack that lies higher than the program's", () => {
  it("is stepped out of, through its restorer, to what it struck", async () => {
    const client = await at(SIGNALS, "handler");
    expect(await client.run("stepOut")).toMatchObject({ reason: "step" });
    expect(await nameOf(client)).toBe("restorer");
    expect(await client.run("stepOut")).toMatchObject({ reason: "step" });
    expect(await nameOf(client)).toBe("struck");
  });

  it("does not end a step over what it struck, though it runs the same call", async () => {
    const client = await at(SIGNALS, "here");
    expect(await client.run("next")).toMatchObject({ reason: "step" });
    expect(await nameOf(client)).toBe("back");
    expect(await client.evaluate("rsp - low < 8192")).toBe("0x1");
    expect(await client.evaluate("dword [deep],d")).toBe("1");
  });

  it("does not end a step out of what it struck", async () => {
    const client = await at(SIGNALS, "work");
    expect(await client.run("stepOut")).toMatchObject({ reason: "step" });
    expect(await nameOf(client)).toBe("back");
    expect(await client.evaluate("rsp - low < 8192")).toBe("0x1");
  });
});

describe("a call that comes back on another stack", () => {
  it.each(["next", "stepOut"])("ends %s, lower or higher", async (step) => {
    const client = await at(SWITCHES, "first");
    if (step === "stepOut") await client.run("stepIn");
    expect(await client.run(step)).toMatchObject({ reason: "step" });
    expect(await nameOf(client)).toBe("second");
    await client.run("next");
    if (step === "stepOut") await client.run("stepIn");
    expect(await client.run(step)).toMatchObject({ reason: "step" });
    expect(await nameOf(client)).toBe("third");
  });

  it("ends a step out from where it has changed", async () => {
    const client = await at(SWITCHES, "inside");
    expect(await client.run("stepOut")).toMatchObject({ reason: "step" });
    expect(await nameOf(client)).toBe("second");
  });
});

describe("deep recursion", () => {
  it("is stepped over and out of, at whatever depth", async () => {
    const client = await at(RECURSION, "site");
    await client.run("next");
    expect(await nameOf(client)).toBe("after");
    expect(await client.evaluate("ebx,d")).toBe("1999");
    const inner = await at(RECURSION, "site");
    for (let i = 0; i < 5; i++) await inner.run("stepIn");
    const depth = Number(await inner.evaluate("rcx,d"));
    await inner.run("stepOut");
    expect(await nameOf(inner)).toBe("after");
    expect(await inner.evaluate("ebx,d")).toBe(String(depth + 1));
  });
});
