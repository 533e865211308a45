/** Tasks as threads over the protocol: a C program with POSIX threads, and a fork, on two processors. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { requireTool } from "../tools.ts";
import { DapClient } from "./client.ts";

const PROGRAM = `
#include <pthread.h>
#include <stdio.h>
pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
volatile int counter, ready;
void *worker(void *arg) {
  for (int i = 0; i < 2000; i++) counter += (int)(long)arg;
  pthread_mutex_lock(&lock);
  counter++;
  pthread_mutex_unlock(&lock);
  return arg;
}
__attribute__((noinline)) void release(void) { ready = 1; pthread_mutex_unlock(&lock); }
int main(void) {
  pthread_t a, b;
  pthread_mutex_lock(&lock);
  pthread_create(&a, 0, worker, (void *)1);
  pthread_create(&b, 0, worker, (void *)2);
  for (volatile int i = 0; i < 100000; i++) ;
  release();
  pthread_join(a, 0);
  pthread_join(b, 0);
  printf("%d\\n", counter > 0);
  return 0;
}
`;

const program = "file:///w/mt";
const symbols = new Map<string, string>();
let bytes: Uint8Array;

interface Thread {
  readonly id: number;
  readonly name: string;
}
interface Frame {
  readonly id: number;
  readonly name: string;
  readonly instructionPointerReference: string;
}

describe.runIf(requireTool("gcc"))("a program with POSIX threads", () => {
  beforeAll(() => {
    const directory = mkdtempSync(path.join(os.tmpdir(), "ringside-threads-"));
    const [source, out] = [path.join(directory, "mt.c"), path.join(directory, "mt")];
    writeFileSync(source, PROGRAM);
    const built = spawnSync("gcc", ["-O1", "-static", "-pthread", "-fcf-protection=none", "-o", out, source]);
    expect(built.stderr.toString()).toBe("");
    for (const line of spawnSync("nm", [out]).stdout.toString().split("\n")) {
      const [address, , name] = line.split(" ");
      if (name !== undefined) symbols.set(name, `0x${address!.replace(/^0+/, "")}`);
    }
    bytes = readFileSync(out);
  }, 60_000);

  /** Stopped at the first instruction of a function. */
  async function stoppedAt(name: string, configuration = {}) {
    const client = new DapClient({ [program]: bytes });
    await client.launch({ program, ...configuration }, () =>
      client.ok("setInstructionBreakpoints", { breakpoints: [{ instructionReference: symbols.get(name)! }] }),
    );
    const stop = await client.run("continue");
    expect(stop).toMatchObject({ reason: "instruction breakpoint", allThreadsStopped: true });
    await client.ok("setInstructionBreakpoints", { breakpoints: [] });
    return { client, stop };
  }
  const threadsOf = async (client: DapClient): Promise<Thread[]> => (await client.ok("threads")).threads;
  const framesOf = async (client: DapClient, threadId: number): Promise<Frame[]> =>
    (await client.ok("stackTrace", { threadId })).stackFrames;
  const evaluateIn = async (client: DapClient, frame: Frame, expression: string): Promise<bigint> =>
    BigInt((await client.ok("evaluate", { expression, frameId: frame.id, context: "watch" })).result.split(" ")[0]);
  const isBlocked = ({ name }: Thread) => name.endsWith("blocked in futex");
  const ipOf = async (client: DapClient, threadId: number) =>
    (await framesOf(client, threadId))[0]!.instructionPointerReference;

  it("names the thread that stopped, what each does, and each processor once", async () => {
    const { client, stop } = await stoppedAt("worker");
    const threads = await threadsOf(client);
    expect(threads[0]).toMatchObject({ id: 1, name: expect.stringMatching(/^mt \(pid 1000, tid 1000\): CPU 0$/) });
    const stopped = threads.find(({ id }) => id === stop.threadId)!;
    expect(stopped.name).toMatch(/^mt \(pid 1000, tid 1001\): CPU 1$/);
    expect(await client.evaluate("task.pid,d")).toBe("1001");
    for (const cpu of [0, 1]) expect(threads.filter(({ name }) => name.includes(`CPU ${cpu}`))).toHaveLength(1);
    const started = client.events.filter(({ event }) => event === "thread").map(({ body }) => body);
    expect(started).toContainEqual({ reason: "started", threadId: stop.threadId });
  });

  it("shows the call stack of a blocked thread across the boundary, and its user code's registers", async () => {
    const { client, stop } = await stoppedAt("release");
    expect(stop.threadId).toBe(1);
    const blocked = (await threadsOf(client)).filter(isBlocked);
    expect(blocked).toHaveLength(2);
    for (const [i, { id }] of blocked.entries()) {
      const frames = await framesOf(client, id);
      const names = frames.map(({ name }) => name.split(/[+ ]/)[0]);
      expect(names[0]).toBe("__switch_to_asm");
      expect(names).toEqual(expect.arrayContaining(["schedule", "do_syscall_64", "syscall_slow_path"]));
      const user = frames.find(({ name }) => !name.includes("ring 0"))!;
      // futex(&lock, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 2, 0)
      expect(await evaluateIn(client, user, "rdi")).toBe(BigInt(symbols.get("lock")!));
      expect(await evaluateIn(client, user, "esi & 0x7f")).toBe(0n);
      expect(await evaluateIn(client, user, "edx")).toBe(2n);
      expect(await evaluateIn(client, user, "cpl")).toBe(3n);
      expect(await evaluateIn(client, user, "task.pid")).toBe(BigInt(1001 + i));
      // its own stack, and its own thread pointer
      const [sp, mine] = [await evaluateIn(client, user, "rsp"), BigInt(await client.evaluate("rsp"))];
      expect(sp - mine > 0x1000n || mine - sp > 0x1000n).toBe(true);
      expect(await evaluateIn(client, user, "qword [fs:0]")).toBe(await evaluateIn(client, user, "fs_base"));
      const lost = await client.request("evaluate", { expression: "rax", frameId: frames[0]!.id, context: "watch" });
      expect(lost.message).toContain("cannot be read now");
      // the caller of the code that waits is worker() itself
      const code = frames.map(({ instructionPointerReference }) => BigInt(instructionPointerReference));
      const worker = BigInt(symbols.get("worker")!);
      expect(code.some((address) => address > worker && address < worker + 128n)).toBe(true);
    }
  });

  it("changes a register of a blocked thread where the kernel has saved it", async () => {
    const { client } = await stoppedAt("release");
    const { id } = (await threadsOf(client)).find(isBlocked)!;
    const user = (await framesOf(client, id)).find(({ name }) => !name.includes("ring 0"))!;
    const { scopes } = await client.ok("scopes", { frameId: user.id });
    const [registers] = scopes;
    expect(registers.name).toBe("Registers");
    const before = await client.variables(registers.variablesReference);
    expect(BigInt(before.get("rdi")!.value.split(" ")[0]!)).toBe(BigInt(symbols.get("lock")!));
    const args = { variablesReference: registers.variablesReference, name: "r15", value: "0x1234" };
    await client.ok("setVariable", args);
    const again = (await framesOf(client, id)).find(({ name }) => !name.includes("ring 0"))!;
    expect(await evaluateIn(client, again, "r15")).toBe(0x1234n);
    expect(await evaluateIn(client, again, "pt_regs.r15")).toBe(0x1234n);
    expect(BigInt(await client.evaluate("r15"))).not.toBe(0x1234n);
  });

  it("steps one thread by exactly its own instructions, forwards and back, while another has its turns", async () => {
    const { client, stop } = await stoppedAt("worker");
    const thread = stop.threadId;
    const path: string[] = [await client.evaluate("rip")];
    let crossed = -1;
    for (let i = 0; i < 1100 && (crossed < 0 || i < crossed + 40); i++) {
      const before = await icountOf(client);
      const step = await client.run("next", { threadId: thread, granularity: "instruction" });
      expect(step.threadId).toBe(thread);
      path.push(await client.evaluate("rip"));
      // the other processor's turn is a thousand instructions
      if ((await icountOf(client)) - before > 900 && crossed < 0 && i > 50) crossed = i;
    }
    expect(crossed).toBeGreaterThan(0);
    // a loop: what comes round once comes round for ever
    const loop = path.slice(crossed - 30);
    const rounds = new Set(loop).size;
    expect(rounds).toBeLessThan(12);
    for (let i = rounds; i < loop.length; i++) expect(loop[i]).toBe(loop[i - rounds]);
    for (let i = path.length - 2; i >= crossed - 10; i--) {
      const back = await client.run("stepBack", { threadId: thread, granularity: "instruction" });
      expect(back.threadId).toBe(thread);
      expect(await client.evaluate("rip"), `step ${i}`).toBe(path[i]);
    }
  }, 120_000);
  const icountOf = async (client: DapClient): Promise<number> => (await client.ok("ringside/time")).icount;

  it("steps a blocked thread: to its next instruction, when it has been woken", async () => {
    const { client } = await stoppedAt("release");
    const { id } = (await threadsOf(client)).find(isBlocked)!;
    const user = (await framesOf(client, id)).find(({ name }) => !name.includes("ring 0"))!;
    const stop = await client.run("next", { threadId: id, granularity: "instruction" });
    expect(stop).toMatchObject({ description: "Paused on step", threadId: id });
    expect(await ipOf(client, id)).toBe(user.instructionPointerReference);
    expect(await client.evaluate("rax,d")).toBe("0");
    expect(await client.evaluate(`dword [${symbols.get("ready")}]`)).toBe("0x00000001");
  });

  it("steps over a system call that blocks, whoever runs meanwhile", async () => {
    const { client, stop } = await stoppedAt("__lll_lock_wait_private", {}).catch(() => stoppedAt("__lll_lock_wait"));
    const thread = stop.threadId;
    for (let i = 0; i < 200; i++) {
      const text = await instruction(client, thread);
      const step = await client.run("next", { threadId: thread, granularity: "instruction" });
      expect(step.threadId).toBe(thread);
      if (text.startsWith("syscall")) break;
    }
    expect(await client.evaluate("rax,d")).toBe("0");
    expect(await client.evaluate(`dword [${symbols.get("ready")}]`)).toBe("0x00000001");
  });
  async function instruction(client: DapClient, thread: number): Promise<string> {
    const memoryReference = await ipOf(client, thread);
    return (await client.ok("disassemble", { memoryReference, instructionCount: 1 })).instructions[0].instruction;
  }

  it("lists the threads of the past after going back, and those of the future again", async () => {
    const { client } = await stoppedAt("release");
    const { icount } = await client.ok("ringside/time");
    expect((await threadsOf(client)).length).toBeGreaterThanOrEqual(3);
    const now = await threadsOf(client);
    await client.run("reverseContinue");
    const before = await threadsOf(client);
    expect(before.filter(({ name }) => name.startsWith("mt"))).toHaveLength(1);
    const gone = client.events.filter(({ event, body }) => event === "thread" && body.reason === "exited");
    expect(gone.length).toBeGreaterThanOrEqual(2);
    await client.run("ringside/goToInstruction", { icount });
    expect(await threadsOf(client)).toEqual(now);
  });

  it("tells of threads that end, and refuses one that is not there", async () => {
    const { client } = await stoppedAt("release");
    const missing = await client.request("stackTrace", { threadId: 77 });
    expect(missing).toMatchObject({ success: false, message: "there is no thread 77" });
    expect((await client.request("next", { threadId: 77 })).success).toBe(false);
    await client.run("continue");
    const ended = client.events.filter(({ event, body }) => event === "thread" && body.reason === "exited");
    expect(ended.length).toBeGreaterThanOrEqual(2);
    expect(client.output()).toBe("1\n");
  });
});

const FORK = `
        bits 64
        global _start
_start: mov eax, 57             ; line 4: fork
        syscall
        test eax, eax
        jz child
        mov ebx, eax            ; line 8
spin:   dec dword [turns]
        jnz spin
        mov edi, ebx            ; line 11: wait4
        xor esi, esi
        xor edx, edx
        xor r10d, r10d
        mov eax, 61
        syscall                 ; line 16
        mov edi, 0
        jmp exit
child:  mov ebp, 0x1234         ; line 19
        mov edi, 7
exit:   mov eax, 60
        syscall                 ; line 22
        section .data
turns:  dd 60000
`;

describe("a fork", () => {
  const fork = "file:///w/fork.asm";
  const source = { name: "fork.asm", path: "/w/fork.asm" };
  const stopsAt = async (lines: number[], configuration = {}) => {
    const client = new DapClient({ [fork]: FORK });
    await client.launch({ program: fork, ...configuration }, () =>
      client.ok("setBreakpoints", { source, breakpoints: lines.map((line) => ({ line })) }),
    );
    return client;
  };

  it("gives a process of its own, and what is left of it waits as a zombie", async () => {
    const client = await stopsAt([11, 19]);
    const child = await client.run("continue");
    expect(child.threadId).not.toBe(1);
    expect(await client.evaluate("task.pid,d")).toBe("1001");
    const parent = await client.run("continue");
    expect(parent.threadId).toBe(1);
    expect(await client.evaluate("ebx,d")).toBe("1001");
    const { threads } = await client.ok("threads");
    const zombie = threads.find(({ name }: Thread) => name === "fork.asm (pid 1001): zombie");
    expect((await client.ok("stackTrace", { threadId: zombie.id })).stackFrames).toEqual([]);
  });

  it.each(["x86_64", "i386"])("of an %s kernel on one processor: stacks of who waits to run", async (arch) => {
    const text = arch === "i386" ? FORK.replace("bits 64", "bits 32").replace("xor r10d, r10d", "nop") : FORK;
    const client = new DapClient({
      [fork]:
        arch === "i386"
          ? text.replaceAll("syscall", "int 0x80").replace("eax, 57", "eax, 2").replace("eax, 60", "eax, 1")
          : text,
    });
    const cpu = { vendor: "intel", count: 1 };
    await client.launch({ program: fork, arch, bits: arch === "i386" ? 32 : 64, cpu }, () =>
      client.ok("setBreakpoints", { source, breakpoints: [{ line: 8 }] }),
    );
    await client.run("continue");
    const { threads } = await client.ok("threads");
    const child = threads.find(({ name }: Thread) => name === "fork.asm (pid 1001): runnable");
    const { stackFrames } = await client.ok("stackTrace", { threadId: child.id });
    const names = stackFrames.map(({ name }: Frame) => name.split(/[+ ]/)[0]);
    // ret_from_fork is where the switch will return to, but nobody has called from there
    expect(names).toEqual(["__switch_to_asm", "_start"]);
    expect(stackFrames[1].line).toBe(6);
    const { result } = await client.ok("evaluate", { expression: "eax", frameId: stackFrames[1].id });
    expect(BigInt(result)).toBe(0n);
    const step = await client.run("next", { threadId: child.id });
    expect(step.threadId).toBe(child.id);
    expect((await client.topFrame()).line).toBe(6);
  });
});

describe("two processors in the kernel", () => {
  it("a step over a call in kernel code of one is not ended by the other's running through the same place", async () => {
    const loop = "file:///w/loop.asm";
    const text = `
        bits 64
        global _start
_start: mov eax, 57
        syscall
again:  mov eax, 39             ; getpid, for ever, in both
        syscall
        jmp again
`;
    const client = new DapClient({ [loop]: text });
    await client.launch({ program: loop }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "do_syscall_64", hitCondition: "% 40" }] }),
    );
    const stop = await client.run("continue");
    await client.ok("setFunctionBreakpoints", { breakpoints: [] });
    const { threads } = await client.ok("threads");
    expect(threads.filter(({ name }: Thread) => /^loop.asm \(pid 100[01]\): CPU [01]$/.test(name))).toHaveLength(2);
    const sp = BigInt(await client.evaluate("rsp"));
    const pid = await client.evaluate("task.pid");
    for (let i = 0; i < 12; i++) {
      const step = await client.run("next", { threadId: stop.threadId, granularity: "instruction" });
      expect(step.threadId).toBe(stop.threadId);
      expect(await client.evaluate("task.pid")).toBe(pid);
      const name = (await client.topFrame()).name;
      if (!name.startsWith("do_syscall_64")) break;
      expect(BigInt(await client.evaluate("rsp")) <= sp).toBe(true);
    }
    expect((await client.topFrame()).name).toContain("sysret_check_rcx_rip");
  });
});
