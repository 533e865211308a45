/** Threads that end while they are stepped, by their own exit, another's exit_group or its execve; and back over such an execve. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/ends.asm";
const child = "file:///w/child.asm";
const CHILD = `global _start
_start: mov eax, 60
 xor edi, edi
 syscall
`;

/** `first` is what the first thread does, `second` what the one it starts does. */
const threads = (first: string, second: string) => `        bits 64
        global _start
_start: ${"FORK"}
        mov eax, 56
        mov edi, 0x50f00
        lea rsi, [rel stack + 4096]
        xor edx, edx
        xor r10d, r10d
        xor r8d, r8d
        syscall
        test eax, eax
        jz second
        mov ecx, 20000
.turn:  loop .turn
first:  ${first}
        ud2
second: ${second}
        ud2
idle:   mov eax, 34
wait:   syscall
        jmp idle
execve: mov eax, 59
        lea rdi, [rel name]
        xor esi, esi
        xor edx, edx
does:   syscall
        ud2
name:   db "/bin/child", 0
        section .bss
stack:  resb 4096
`;
const EXIT_GROUP = "mov eax, 231\n mov edi, 7\n syscall";
const FORK = "mov eax, 57\n syscall\n test eax, eax\n jnz other";

async function stoppedIn(text: string, label: string): Promise<DapClient> {
  const client = new DapClient({ [program]: text, [child]: CHILD });
  await client.launch({ program, cpu: { count: 4 }, files: { "/bin/child": child } }, () =>
    client.ok("setFunctionBreakpoints", { breakpoints: [{ name: label }] }),
  );
  await client.run("continue");
  await client.ok("setFunctionBreakpoints", { breakpoints: [] });
  return client;
}

const nameOf = async (client: DapClient): Promise<string> => (await client.topFrame()).name.split(" ")[0];
const ENDED = { reason: "step", description: "Paused: the thread that was stepped has ended" };

describe("a thread that is stepped over a wait", () => {
  it("ends with its process, and the program with it", async () => {
    const client = await stoppedIn(threads(EXIT_GROUP, "jmp idle").replace("FORK", ""), "wait");
    expect(await client.run("next")).toBeUndefined();
    expect(client.events.find(({ event }) => event === "exited")?.body).toEqual({ exitCode: 7 });
  });

  it("ends with its process: another process is where it stops then", async () => {
    const text = threads(EXIT_GROUP, "jmp idle")
      .replace("FORK", FORK)
      .replace("idle:", "other: pause\n jmp other\nidle:");
    const client = await stoppedIn(text, "wait");
    expect(await client.run("next")).toMatchObject(ENDED);
    expect(await nameOf(client)).toBe("other");
  });

  it("ends by another's execve: the new program's first instruction is where it stops", async () => {
    const client = await stoppedIn(threads("jmp execve", "jmp idle").replace("FORK", ""), "wait");
    expect(await client.run("next")).toMatchObject(ENDED);
    expect(await client.topFrame()).toMatchObject({ line: 2, source: { name: "child.asm" } });
  });
});

describe("a thread that ends itself", () => {
  it("leaves the step to another one of its process", async () => {
    const text = threads("mov ecx, 300000\nspin: loop spin\n jmp first", "mov eax, 60\nleave: syscall").replace(
      "FORK",
      "",
    );
    const client = await stoppedIn(text, "leave");
    const ended = client.thread;
    expect(await client.run("next")).toMatchObject(ENDED);
    expect(["spin", "first", "_start.turn"]).toContain((await nameOf(client)).split("+")[0]);
    const ids = (await client.ok("threads")).threads.map(({ id }: { id: number }) => id);
    expect(ids).not.toContain(ended);
    expect(ids).toContain(client.thread);
  });
});

describe("a program that not the first thread has begun", () => {
  it("is left, by a step back, at the execve of the one that has", async () => {
    const client = await stoppedIn(
      threads("jmp idle", "mov ecx, 90000\n.turn: loop .turn\n jmp execve").replace("FORK", ""),
      "does",
    );
    const thread = client.thread;
    const { icount } = await client.ok("ringside/time");
    await client.run("next");
    expect(await client.topFrame()).toMatchObject({ line: 2, source: { name: "child.asm" } });
    expect(client.thread).not.toBe(thread);
    expect(await client.run("stepBack")).toMatchObject({ reason: "step", threadId: thread });
    expect(await client.ok("ringside/time")).toMatchObject({ icount });
    expect(await nameOf(client)).toBe("does");
  });
});
