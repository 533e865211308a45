/** Programs that another one begins by execve: the debugger follows each task into what it runs, and back over the execve to what it ran. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import type { DebugProtocol } from "@vscode/debugprotocol";
import { describe, expect, it } from "vitest";
import { assemble, link, writeElfExecutable } from "../../src/asmlang/index.ts";
import { hostFiles } from "../../src/cli/host-files.ts";
import { requireTool } from "../tools.ts";
import { DapClient } from "./client.ts";

const program = "file:///w/parent.asm";
const parent = { name: "parent.asm", path: "/w/parent.asm" };
const child = { name: "child.asm", path: "/w/child.asm" };

const EXECVE = `
        mov eax, 59
        lea rdi, [rel path]
        xor esi, esi
        xor edx, edx
        syscall
        ud2
path:   db "/bin/child", 0`;

const PARENT = `        bits 64
        global _start
_start: mov ebx, 1
        call away               ; line 4
        ud2
away:   nop                     ; line 6${EXECVE}
`;

/** Begins at the same address as the parent, and has the same label. */
const CHILD = `        bits 64
        global _start
_start: mov ecx, 5              ; line 3
        call work
        mov eax, 60
        mov edi, [rel status]
        syscall
work:   inc dword [rel status]  ; line 8
        ret
        section .data
status: dd 41
`;

/** The parent waits for a child that runs another program. */
const FORKING = `        bits 64
        global _start
_start: mov eax, 57
        syscall
        test eax, eax
        jz away
.wait:  mov eax, 61             ; line 7
        mov edi, -1
        xor esi, esi
        xor edx, edx
        xor r10d, r10d
        syscall
        mov eax, 60             ; line 13
        xor edi, edi
        syscall
away:   nop${EXECVE}
`;

const files = { "/bin/child": "/w/child.asm" };
const sources = (text = PARENT) => ({ [program]: text, "file:///w/child.asm": CHILD });
const named = (client: DapClient, event: string) =>
  client.events.filter((each) => each.event === event).map(({ body }) => body);

async function launched(text = PARENT, configure: (client: DapClient) => Promise<unknown> = async () => {}) {
  const client = new DapClient(sources(text));
  await client.launch({ program, files, cpu: { count: 1 } }, () => configure(client));
  return client;
}

const breakAt = async (client: DapClient, source: typeof child, ...lines: number[]) =>
  (await client.ok("setBreakpoints", { source, breakpoints: lines.map((line) => ({ line })) }))
    .breakpoints as DebugProtocol.Breakpoint[];
const frames = async (client: DapClient, threadId = client.thread) =>
  ((await client.ok("stackTrace", { threadId })).stackFrames as DebugProtocol.StackFrame[]).map(
    ({ name, line, source }) => [name.replace(/ {2}.*/, ""), source?.name, line] as const,
  );

describe("a program that execve begins", () => {
  it("gives waiting breakpoints their places, names, lines and a module of its own", async () => {
    let waiting: DebugProtocol.Breakpoint[] = [];
    const client = await launched(PARENT, async (each) => {
      waiting = await breakAt(each, child, 8);
    });
    expect(waiting[0]).toMatchObject({ verified: false, reason: "pending" });
    await client.next("loadedSource");
    const first = named(client, "module").map(({ reason, module }) => [reason, module.name]);
    expect(first).toContainEqual(["new", "parent.asm"]);
    expect(first).not.toContainEqual(["new", "/bin/child"]);
    const known = named(client, "loadedSource").length;
    const stop = await client.run("continue");
    expect(stop).toMatchObject({ reason: "breakpoint", hitBreakpointIds: [waiting[0]!.id] });
    expect(await frames(client)).toEqual([
      ["work", "child.asm", 8],
      ["_start+0xa", "child.asm", 4],
    ]);
    const bound = named(client, "breakpoint").map(({ breakpoint }) => breakpoint);
    expect(bound).toMatchObject([{ id: waiting[0]!.id, verified: true, line: 8, source: child }]);
    const modules = named(client, "module").map(({ reason, module }) => [reason, module.name, module.path]);
    expect(modules).toContainEqual(["removed", "parent.asm", "/w/parent.asm"]);
    expect(modules).toContainEqual(["new", "/bin/child", "/w/child.asm"]);
    const loaded = named(client, "loadedSource")
      .slice(known)
      .map(({ reason, source }) => [reason, source.name]);
    expect(loaded).toEqual([
      ["removed", "parent.asm"],
      ["new", "child.asm"],
    ]);
    const present = (await client.ok("loadedSources")).sources.map(({ name }: { name: string }) => name);
    expect(present).toContain("child.asm");
    expect(present).not.toContain("parent.asm");
    expect(await client.evaluate("dword [status]")).toContain("29");
    const { stackFrames } = await client.ok("stackTrace", { threadId: client.thread });
    expect(stackFrames[0].moduleId).toBe("/bin/child");
    const { instructions } = await client.ok("disassemble", {
      memoryReference: stackFrames[0].instructionPointerReference,
      instructionOffset: 0,
      instructionCount: 1,
    });
    expect(instructions[0]).toMatchObject({ symbol: "work", location: child, line: 8 });
    await client.run("continue");
    expect(named(client, "exited")).toEqual([{ exitCode: 42 }]);
  });

  it("has breakpoints of its own at addresses that the first program had too", async () => {
    // both begin at the same address
    const client = await launched(PARENT, (each) => breakAt(each, child, 3));
    const { instructionPointerReference } = await client.topFrame();
    await client.run("continue");
    const inChild = await client.topFrame();
    expect(inChild).toMatchObject({ line: 3, source: child, instructionPointerReference });
    const only = await launched(PARENT, (each) => breakAt(each, parent, 6));
    expect(await only.run("continue")).toMatchObject({ reason: "breakpoint" });
    expect((await only.topFrame()).source).toMatchObject(parent);
    await only.run("continue");
    expect(named(only, "exited")).toEqual([{ exitCode: 42 }]);
    const both = await launched(PARENT, (each) =>
      each.ok("setFunctionBreakpoints", { breakpoints: [{ name: "_start" }] }),
    );
    expect(await both.run("continue")).toMatchObject({ reason: "function breakpoint" });
    expect((await both.topFrame()).source).toMatchObject(child);
  });

  it("has conditions on its own symbols, and none on those of the first one", async () => {
    const conditions = ["dword [status] == 41", "dword [status] == 40", "away"];
    const met = await Promise.all(
      conditions.map(async (condition) => {
        const client = await launched(PARENT, (each) =>
          each.ok("setBreakpoints", { source: child, breakpoints: [{ line: 8, condition }] }),
        );
        await client.run("continue");
        return named(client, "stopped").length > 1;
      }),
    );
    // what cannot be evaluated stops, and says so
    expect(met).toEqual([true, false, true]);
  });

  it("is left again by going back, and what it had with it", async () => {
    const client = await launched(PARENT, async (each) => {
      await breakAt(each, parent, 6);
      await breakAt(each, child, 8);
    });
    await client.run("continue");
    await client.run("continue");
    expect((await client.topFrame()).source).toMatchObject(child);
    const from = client.events.length;
    expect(await client.run("reverseContinue")).toMatchObject({ reason: "breakpoint" });
    expect(await frames(client)).toEqual([
      ["away", "parent.asm", 6],
      ["_start+0xa", "parent.asm", 4],
    ]);
    const told = client.events.slice(from).filter(({ event }) => event === "breakpoint");
    const states = told.map(({ body }) => [body.breakpoint.verified, body.breakpoint.source?.name]);
    expect(states).toContainEqual([true, "parent.asm"]);
    expect(states).toContainEqual([false, undefined]);
    expect((await client.request("evaluate", { expression: "status", context: "watch" })).success).toBe(false);
    // and to the child again; a line of the parent is run back to from there
    await client.run("continue");
    expect((await frames(client)).map(([name]) => name)).toEqual(["work", "_start+0xa"]);
    const stopped = client.next("stopped");
    await client.ok("ringside/runBackTo", { source: parent, line: 4 });
    await stopped;
    expect(await client.topFrame()).toMatchObject({ line: 4, source: parent });
  });

  it.each(["stepIn", "next", "stepOut"])("is where %s goes that does not come back", async (step) => {
    const client = await launched();
    if (step === "stepOut") for (let i = 0; i < 3; i++) await client.run("stepIn");
    for (let i = 0; i < 20 && (await client.topFrame()).source.name === "parent.asm"; i++) await client.run(step);
    expect(await client.topFrame()).toMatchObject({ line: 3, source: child });
    await client.run("stepBack");
    expect((await client.topFrame()).source).toMatchObject(parent);
  });

  it.each([[], [8]])(
    "is where a step over execve itself goes, with breakpoints on lines %j of it",
    async (...lines) => {
      const client = await launched(PARENT, async (each) => {
        await breakAt(each, parent, 11);
        await breakAt(each, child, ...lines);
      });
      await client.run("continue");
      const away = await frames(client);
      expect(await client.run("next")).toMatchObject({ reason: "step" });
      expect(await frames(client)).toEqual([["_start", "child.asm", 3]]);
      await client.run("stepBack");
      expect(await frames(client)).toEqual(away);
      expect(away[0]).toEqual(["away+0x11", "parent.asm", 11]);
    },
  );

  it("runs beside its parent: each task has its own names, and its own breakpoints", async () => {
    const client = await launched(FORKING, async (each) => {
      await breakAt(each, child, 8);
      await breakAt(each, parent, 13);
    });
    const { threadId: first } = { threadId: client.thread };
    await client.run("continue");
    expect(client.thread).not.toBe(first);
    expect((await frames(client))[0]).toEqual(["work", "child.asm", 8]);
    const outer = await frames(client, first);
    expect(outer.at(-1)).toMatchObject(["_start.wait+0x13", "parent.asm", 13]);
    const names = (await client.ok("modules", {})).modules.map(({ name }: { name: string }) => name);
    expect(names).toEqual(expect.arrayContaining(["/bin/child", "parent.asm", "kernel"]));
    await client.run("continue");
    expect(client.thread).toBe(first);
    expect((await frames(client))[0]).toEqual(["_start.wait+0x13", "parent.asm", 13]);
    const gone = named(client, "module").filter(({ reason }) => reason === "removed");
    expect(gone.map(({ module }) => module.name)).toEqual(["/bin/child"]);
  });

  it("may be the first one again, by /proc/self/exe", async () => {
    const text = `        bits 64
        global _start
_start: cmp qword [rsp], 0      ; line 3
        je .again
        mov eax, 59
        lea rdi, [rel path]
        xor esi, esi
        xor edx, edx
        syscall
.again: cmp qword [rsp+8], 0    ; line 10
        mov eax, 60
        mov edi, 3
        syscall
path:   db "/proc/self/exe", 0
`;
    const client = await launched(text, (each) => breakAt(each, parent, 3));
    await client.run("continue");
    expect(await client.topFrame()).toMatchObject({ line: 3, source: parent, name: expect.stringMatching(/^_start /) });
    expect(named(client, "breakpoint").filter(({ breakpoint }) => !breakpoint.verified)).toEqual([]);
  });
});

describe("the guest's files", () => {
  const elf = (text: string) =>
    writeElfExecutable(link([assemble({ uri: "file:///other.asm", text }, { dialect: "nasm", bits: 64 })]));

  it("may be a whole folder, with executables whose own symbols name them", async () => {
    const client = new DapClient({
      read: async (uri) => (uri === program ? new TextEncoder().encode(PARENT) : undefined),
      readTree: async (uri) => (uri === "file:///w/root" ? { "/bin/child": elf(CHILD) } : "no such folder"),
    });
    let waiting: DebugProtocol.Breakpoint[] = [];
    await client.launch({ program, root: "/w/root" }, async () => {
      waiting = (await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "work" }] })).breakpoints;
    });
    expect(waiting[0]).toMatchObject({ verified: false, reason: "pending" });
    expect(await client.run("continue")).toMatchObject({ hitBreakpointIds: [waiting[0]!.id] });
    expect((await client.ok("stackTrace", { threadId: client.thread })).stackFrames.map(nameOf)).toEqual([
      "work",
      "_start+0xa",
    ]);
    // read from the host's disk by the command's adapter
    const disk = mkdtempSync(path.join(tmpdir(), "ringside-"));
    mkdirSync(path.join(disk, "root", "bin"), { recursive: true });
    writeFileSync(path.join(disk, "root", "bin", "child"), elf(CHILD));
    writeFileSync(path.join(disk, "parent.asm"), PARENT);
    const onDisk = new DapClient(hostFiles);
    await onDisk.launch({ program: path.join(disk, "parent.asm"), root: path.join(disk, "root"), stopOnEntry: false });
    expect(named(onDisk, "exited")).toEqual([{ exitCode: 42 }]);
    const other = new DapClient({ [program]: PARENT });
    const refused = await other.request("launch", { program, root: "/nowhere" });
    expect(refused).toMatchObject({ success: false, message: expect.stringMatching(/^cannot read the root/) });
  });
  const nameOf = ({ name }: { name: string }) => name.replace(/ {2}.*/, "");

  it("are beside the program where their places are relative", async () => {
    const client = new DapClient(sources());
    await client.launch({ program, files: { "/bin/child": "child.asm" }, stopOnEntry: false });
    expect(named(client, "exited")).toEqual([{ exitCode: 42 }]);
    const up = new DapClient({ ...sources(), "file:///my%20files/child.asm": CHILD });
    await up.launch({ program, files: { "/bin/child": "../my files/child.asm" }, stopOnEntry: false });
    expect(named(up, "exited")).toEqual([{ exitCode: 42 }]);
  });

  it("are refused where they make no sense, errors of their sources told with their place", async () => {
    const refused = async (wanted: unknown, more: Record<string, string> = {}) => {
      const client = new DapClient({ ...sources(), ...more });
      const { success, message } = await client.request("launch", { program, files: wanted });
      expect(success).toBe(false);
      return { client, message };
    };
    for (const path of ["bin/child", "/", "/bin/", "/bin//x", "/../x", "/a/./b", ""])
      expect((await refused({ [path]: "/w/child.asm" })).message).toMatch(/"files" takes paths of the guest/);
    expect((await refused({ "/bin/child": 7 })).message).toMatch(/"files" takes an object of texts/);
    expect((await refused({ "/bin/child": "/w/none" })).message).toMatch(/^\/bin\/child: cannot read .*none/);
    const { client, message } = await refused(
      { "/bin/bad": "/w/bad.asm" },
      { "file:///w/bad.asm": "bits 64\n mov eax,\n" },
    );
    expect(message).toMatch(/^\/bin\/bad: bad.asm has an error: 2:/);
    expect(client.output("stderr")).toMatch(/^bad\.asm:2:\d+: error: /);
  });
});

describe.runIf(requireTool("as"))("a program assembled elsewhere, with lines", () => {
  it("has waiting breakpoints in its source, and stops there", async () => {
    const folder = mkdtempSync(path.join(tmpdir(), "ringside-"));
    const [source, object, file] = ["child.s", "child.o", "child"].map((name) => path.join(folder, name));
    const text = ".globl _start\n_start: mov $60, %eax\n call work\n syscall\nwork: mov $7, %edi\n ret\n";
    writeFileSync(source!, text);
    execFileSync("as", ["-g", "-o", object!, source!]);
    execFileSync("ld", ["-o", file!, object!]);
    writeFileSync(path.join(folder, "parent.asm"), PARENT);
    const client = new DapClient(hostFiles);
    let waiting: DebugProtocol.Breakpoint[] = [];
    await client.launch({ program: path.join(folder, "parent.asm"), files: { "/bin/child": file } }, async () => {
      waiting = await breakAt(client, { name: "child.s", path: source! }, 5);
    });
    expect(waiting[0]).toMatchObject({ verified: false, reason: "pending" });
    expect(await client.run("continue")).toMatchObject({ hitBreakpointIds: [waiting[0]!.id] });
    expect(await frames(client)).toEqual([
      ["work", "child.s", 5],
      ["_start+0xa", "child.s", 3],
    ]);
    await client.run("continue");
    expect(named(client, "exited")).toEqual([{ exitCode: 7 }]);
  });
});

describe.runIf(requireTool("gcc"))("shared libraries", () => {
  it("are modules with names and frame information; a breakpoint in one waits for the dynamic linker", async () => {
    const file = path.join(mkdtempSync(path.join(tmpdir(), "ringside-")), "dynamic");
    const text =
      '#include <stdio.h>\nint twice(int n) { puts("hello"); return 2 * n; }\nint main(void) { return twice(4); }\n';
    writeFileSync(`${file}.c`, text);
    execFileSync("gcc", ["-O0", "-o", file, `${file}.c`]);
    const names = [...execFileSync("ldd", [file], { encoding: "utf8" }).matchAll(/\/\S+/g)].map(([name]) => name);
    const libraries = Object.fromEntries(names.map((name) => [name, name]));
    const client = new DapClient({ read: async (uri) => new Uint8Array(readFileSync(new URL(uri))) });
    let waiting: DebugProtocol.Breakpoint[] = [];
    await client.launch({ program: file, files: libraries }, async () => {
      const breakpoints = [{ name: "twice" }, { name: "puts" }];
      waiting = (await client.ok("setFunctionBreakpoints", { breakpoints })).breakpoints;
    });
    expect(waiting.map(({ verified }) => verified)).toEqual([true, false]);
    expect(await client.run("continue")).toMatchObject({ hitBreakpointIds: [waiting[0]!.id] });
    expect(await client.run("continue")).toMatchObject({ hitBreakpointIds: [waiting[1]!.id] });
    const stack = (await frames(client)).map(([name]) => name.replace(/\+.*/, ""));
    expect(stack.slice(0, 3)).toEqual([expect.stringMatching(/puts$/), "twice", "main"]);
    const loaded = named(client, "module").filter(({ reason }) => reason === "new");
    expect(loaded.map(({ module }) => path.basename(module.name))).toContain("libc.so.6");
  });
});
