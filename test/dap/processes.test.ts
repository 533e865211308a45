/** Two processes with different bytes at the same addresses: references that were given out for one keep meaning it, whoever is in focus. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/two.asm";
/** The child makes its x 2, the parent its own 3; each then goes to its own place. */
const TWO = `        bits 64
        global _start
_start: mov eax, 57
        syscall
        test eax, eax
        jz child
        mov [rel pid], eax
        mov dword [rel x], 3
wait:   mov eax, 61             ; line 9
        mov edi, -1
        xor esi, esi
        xor edx, edx
        xor r10d, r10d
        syscall
reaped: mov dword [rel x], 5
        mov eax, 60
        mov edi, [rel x]
        syscall
child:  mov dword [rel x], 2
here:   nop                     ; line 20
        mov dword [rel x], 4
last:   mov eax, 60
        xor edi, edi
        syscall
        section .data
x:      dd 1
pid:    dd 0
`;
interface At {
  readonly client: DapClient;
  readonly parent: number;
  readonly child: number;
  /** "0x...@1001" */
  readonly references: { readonly parent: string; readonly child: string };
}

const framesOf = async (client: DapClient, threadId: number): Promise<DebugProtocol.StackFrame[]> =>
  (await client.ok("stackTrace", { threadId })).stackFrames;
const evaluateIn = async (client: DapClient, threadId: number, expression: string) =>
  client.ok("evaluate", { expression, frameId: (await framesOf(client, threadId))[0]!.id, context: "watch" });

/** The child at \`here\`, the parent waiting for it. */
async function atHere(): Promise<At> {
  const client = new DapClient({ [program]: TWO });
  await client.launch({ program, cpu: { count: 1 } }, () =>
    client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "here" }] }),
  );
  const parent = client.thread;
  await client.run("continue");
  const child = client.thread;
  expect(child).not.toBe(parent);
  const references = {
    parent: (await evaluateIn(client, parent, "dword [x]")).memoryReference,
    child: (await evaluateIn(client, child, "dword [x]")).memoryReference,
  };
  return { client, parent, child, references };
}

const read = async (client: DapClient, memoryReference: string, more: object = {}): Promise<number> =>
  atob((await client.ok("readMemory", { memoryReference, count: 4, ...more })).data).charCodeAt(0);
const write = (client: DapClient, memoryReference: string, value: number) =>
  client.ok("writeMemory", { memoryReference, data: btoa(String.fromCharCode(value, 0, 0, 0)) });
const exitCode = (client: DapClient) => client.events.find(({ event }) => event === "exited")?.body.exitCode;

/** A second thread begins another program; the first one spins meanwhile. */
const THREAD = `        bits 64
        global _start
_start: mov eax, 56             ; clone: VM FS FILES SIGHAND THREAD SYSVSEM
        mov edi, 0x50f00
        lea rsi, [rel top]
        xor edx, edx
        xor r10d, r10d
        xor r8d, r8d
        syscall
        test eax, eax
        jz thread
.spin:  pause
        jmp .spin
thread: mov eax, 59
        lea rdi, [rel path]
        xor esi, esi
        xor edx, edx
gone:   syscall
        ud2
path:   db "/bin/child", 0
        section .bss
        resb 4096
top:
`;
const CHILD = `        bits 64
        global _start
_start: mov ecx, 5
        mov eax, 60
        mov edi, 42
        syscall
`;

describe.each([1, 2])("a second thread that begins a program, on %i CPUs", (count) => {
  it("is stepped into that as the process's only thread, the others gone; and back again", async () => {
    const client = new DapClient({ [program]: THREAD, "file:///w/child.asm": CHILD });
    const files = { "/bin/child": "child.asm" };
    await client.launch({ program, files, cpu: { count } }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "gone" }] }),
    );
    const first = client.thread;
    await client.run("continue");
    const second = client.thread;
    expect(second).not.toBe(first);
    expect(await client.run("next")).toMatchObject({ reason: "step", threadId: first });
    expect(await client.topFrame()).toMatchObject({ line: 3, source: { name: "child.asm" } });
    const { threads } = await client.ok("threads");
    expect(threads).toEqual([{ id: first, name: `child (pid 1000): CPU ${count - 1}` }]);
    const ended = client.events.filter(({ event, body }) => event === "thread" && body.reason === "exited");
    expect(ended.map(({ body }) => body.threadId)).toContain(second);
    await client.run("next");
    expect((await client.topFrame()).line).toBe(4);
    await client.run("reverseContinue");
    expect(client.thread).toBe(second);
    expect((await client.topFrame()).name).toMatch(/^gone /);
    await client.run("continue");
    expect(exitCode(client)).toBe(42);
  });
});

describe("memory of two processes", () => {
  it("is read by the references that each gave out, and by an address of whom one looks at", async () => {
    const { client, parent, child, references } = await atHere();
    expect(references.parent).not.toBe(references.child);
    const plain = (await client.evaluate("x")).split(" ")[0]!;
    const bytes = async () =>
      Promise.all([references.parent, references.child, plain].map((each) => read(client, each)));
    expect(await bytes()).toEqual([3, 2, 2]);
    const said = await client.ok("evaluate", { expression: "dword [x @1000],d", context: "watch" });
    expect(said).toMatchObject({ result: "3", memoryReference: references.parent });
    // the parent in focus
    await client.ok("stepIn", { threadId: parent, granularity: "instruction" });
    await client.next("stopped");
    expect(await client.ok("threads")).toBeDefined();
    expect(client.thread).toBe(parent);
    const later = await client.request("readMemory", { memoryReference: references.child, count: 4 });
    expect(later).toMatchObject({ success: false, message: expect.stringMatching(/^there is no process \d+ now$/) });
    expect(await read(client, plain)).toBe(3);
    await client.run("reverseContinue");
    expect(client.thread).toBe(child);
    expect(await bytes()).toEqual([3, 2, 2]);
    expect(await read(client, references.parent, { offset: -4, count: 8 })).toBeGreaterThan(-1);
    const beside = async (reference: string) => read(client, reference, { offset: 4 });
    expect(await beside(references.parent)).not.toBe(0);
    expect(await beside(references.child)).toBe(0);
  });

  it("is that of the only process there was, by a reference from then", async () => {
    const client = new DapClient({ [program]: TWO });
    await client.launch({ program, cpu: { count: 1 } }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "here" }] }),
    );
    const alone = (await client.ok("evaluate", { expression: "dword [x]", context: "watch" })).memoryReference;
    expect(alone).toMatch(/^0x[\da-f]{16}$/);
    expect(await read(client, alone)).toBe(1);
    await client.run("continue");
    expect(await client.evaluate("dword [x],d")).toBe("2");
    expect(await read(client, alone)).toBe(3);
    await write(client, alone, 30);
    expect(await client.evaluate("dword [x @1000],d")).toBe("30");
    const info = await client.ok("dataBreakpointInfo", { name: alone, asAddress: true, bytes: 4 });
    expect(info.dataId).toContain("@1000");
    // what a user writes is memory of whom one looks at
    expect(await read(client, (await client.evaluate("x")).split(" ")[0]!)).toBe(2);
    await client.run("reverseContinue");
    expect(await read(client, alone)).toBe(1);
  });

  it("is copied from one that waits to another that does", async () => {
    const text = TWO.replace(
      /^wait:.*$/m,
      "        mov eax, 57\n syscall\n test eax, eax\n jz third\n wait: mov eax, 61",
    )
      .replace(/^last:/m, "        mov eax, 34\n syscall\nlast:")
      .replace(/^child:/m, "third: mov dword [rel x], 9\n there: nop\n jmp there\nchild:");
    const client = new DapClient({ [program]: text });
    await client.launch({ program, cpu: { count: 1 } }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "there" }] }),
    );
    await client.run("continue");
    for (let i = 0; i < 9 && (await client.evaluate("dword [x @1001],d")) !== "4"; i++) await client.run("continue");
    expect(await client.evaluate("dword [x],d")).toBe("9");
    await client.ok("evaluate", { expression: "dword [x @1000] = dword [x @1001] + 0x20", context: "repl" });
    expect(await client.evaluate("dword [x @1000],d")).toBe("36");
    expect(await client.evaluate("dword [x @1001],d")).toBe("4");
  });

  it("and registers: a new value is what it says in the frame that it is for", async () => {
    const { client, parent, child } = await atHere();
    const frames = await framesOf(client, parent);
    const { scopes } = await client.ok("scopes", { frameId: frames.at(-1)!.id });
    const { variablesReference } = scopes.find(({ name }: { name: string }) => name === "Stack");
    await framesOf(client, child);
    await client.evaluate("rax");
    const set = await client.ok("setVariable", { variablesReference, name: "+0x8", value: "dword [x] + 0x100" });
    expect(set.value).toBe("0x103");
    const frameId = frames.at(-1)!.id;
    const expression = "dword [x]";
    await client.ok("setExpression", { expression, value: "dword [x] * 2", frameId });
    expect((await client.ok("evaluate", { expression, frameId, context: "watch" })).result).toBe("0x00000006");
    expect(await client.evaluate("dword [x],d")).toBe("2");
  });

  it("has references in frames, variables and disassembly, and none where there is one process alone", async () => {
    const { client, parent, child } = await atHere();
    for (const thread of [parent, child]) {
      const [top] = await framesOf(client, thread);
      const user = (await framesOf(client, thread)).at(-1)!;
      expect(user.instructionPointerReference).toMatch(/^0x[\da-f]{16}@\d+$/);
      const { scopes } = await client.ok("scopes", { frameId: top!.id });
      const variables = await client.variables(scopes[0].variablesReference);
      const { instructions } = await client.ok("disassemble", {
        memoryReference: user.instructionPointerReference,
        instructionOffset: -1,
        instructionCount: 3,
      });
      expect(instructions[1].address).toBe(user.instructionPointerReference!.split("@")[0]);
      const sp = thread === child ? variables.get("rsp")! : undefined;
      if (sp !== undefined) expect(sp.memoryReference).toMatch(/@\d+$/);
    }
    expect((await framesOf(client, parent))[0]!.instructionPointerReference).toMatch(/^0xffffffff[\da-f]{8}$/);
    const alone = new DapClient({ [program]: TWO });
    await alone.launch({ program });
    expect((await alone.topFrame()).instructionPointerReference).toMatch(/^0x[\da-f]{16}$/);
  });

  it("is written by them, and said to have changed where it has", async () => {
    const { client, parent, child, references } = await atHere();
    await client.ok("initialize", { adapterID: "ringside", supportsMemoryEvent: true });
    await write(client, references.parent, 40);
    await write(client, references.child, 20);
    expect(await Promise.all([references.parent, references.child].map((each) => read(client, each)))).toEqual([
      40, 20,
    ]);
    expect((await evaluateIn(client, parent, "dword [x],d")).result).toBe("40");
    expect((await evaluateIn(client, child, "dword [x],d")).result).toBe("20");
    await client.ok("evaluate", { expression: "dword [x @1000] = 41", context: "repl" });
    expect(await read(client, references.parent)).toBe(41);
    expect((await client.request("evaluate", { expression: "dword [x @77]" })).message).toMatch(/no memory mapped/);
    const from = client.events.length;
    await client.run("stepIn");
    await client.run("stepIn");
    const told = client.events.slice(from).filter(({ event }) => event === "memory");
    expect(told.map(({ body }) => body.memoryReference)).toEqual([references.child]);
  });

  it("is watched in the one that is meant", async () => {
    const { client, parent, references } = await atHere();
    const infos = [
      await client.ok("dataBreakpointInfo", { name: references.parent, asAddress: true, bytes: 4 }),
      await client.ok("dataBreakpointInfo", { name: "dword [x]", frameId: (await framesOf(client, parent))[0]!.id }),
    ];
    expect(new Set(infos.map(({ dataId }) => dataId)).size).toBe(1);
    await client.ok("setDataBreakpoints", { breakpoints: [{ dataId: infos[0].dataId, accessType: "write" }] });
    // not the child's write
    expect(await client.run("continue")).toMatchObject({ reason: "data breakpoint", threadId: parent });
    expect(await client.evaluate("dword [x],d")).toBe("5");
    expect(client.events.at(-1)!.body.text).toMatch(/^0x3 -> 0x5/);
    const own = await atHere();
    const info = await own.client.ok("dataBreakpointInfo", { name: "dword [x]" });
    await own.client.ok("setDataBreakpoints", { breakpoints: [{ dataId: info.dataId }] });
    expect(await own.client.run("continue")).toMatchObject({ reason: "data breakpoint", threadId: own.child });
    await own.client.run("continue");
    expect(exitCode(own.client)).toBe(5);
    // before the fork it was the parent's
    const before = await own.client.run("reverseContinue");
    expect(before).toMatchObject({ reason: "data breakpoint" });
  });

  it("is what 'who' asks about: the one in focus, from before it was forked, too", async () => {
    const { client, references } = await atHere();
    const who = (expression: string) => client.ok("ringside/lastWriter", { expression });
    expect(await who("dword [x]")).toMatchObject({ found: true, by: expect.stringMatching(/^child/) });
    expect((await who("dword [pid]")).found).toBe(false);
    const parent = { found: true, by: expect.stringMatching(/^_start/) };
    expect(await who("dword [pid @1000]")).toMatchObject(parent);
    expect(await who(`dword [${references.parent}]`)).toMatchObject(parent);
  });

  it("has instruction breakpoints in the one that is meant", async () => {
    const { client, parent, references } = await atHere();
    const user = (await framesOf(client, parent)).at(-1)!;
    const { breakpoints } = await client.ok("setInstructionBreakpoints", {
      breakpoints: [
        { instructionReference: user.instructionPointerReference },
        {
          instructionReference: (await client.topFrame()).instructionPointerReference.replace(/@.*/, "@1000"),
          offset: 11,
        },
      ],
    });
    expect(breakpoints[0]).toMatchObject({ verified: true, instructionReference: user.instructionPointerReference });
    // not where the child comes by
    expect(await client.run("continue")).toMatchObject({ reason: "instruction breakpoint", threadId: parent });
    expect((await client.topFrame()).name).toMatch(/^reaped/);
    const gone = await client.ok("setInstructionBreakpoints", {
      breakpoints: [{ instructionReference: references.child }, { instructionReference: "0x401000@x" }],
    });
    expect(gone.breakpoints.map(({ verified }: { verified: boolean }) => verified)).toEqual([false, false]);
  });
});
