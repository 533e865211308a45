/** Injected events over the protocol: at labels, counts, events and conditions, from the launch configuration and the console. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/inject.asm";
const source = { name: "inject.asm", path: "/w/inject.asm" };
/** Counts SIGUSR1 in ebp, and what it had counted in ebx when it came. */
const SOURCE = `
        bits 64
        global _start
_start: mov eax, 13
        mov edi, 10             ; SIGUSR1
        mov esi, action
        xor edx, edx
        mov r10d, 8
        syscall
        xor ebx, ebx
loop:   inc ebx                 ; line 11
middle: nop
        cmp ebx, 1000
        jne loop
        mov eax, 39             ; getpid
        syscall
        mov edi, [times]
        mov eax, 60
        syscall
handler:
        inc dword [times]
        mov [seen], rbx         ; line 22
        ret
restorer:
        mov eax, 15
        syscall
        section .data
times:  dd 0
seen:   dq 0
action: dq handler, 0x04000000, restorer, 0
`;

/** Runs to the end; what it exits with, and ebx as the handler last saw it. */
async function ran(inject: readonly unknown[]) {
  const client = new DapClient({ [program]: SOURCE });
  await client.launch({ program, inject }, () =>
    client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "loop", condition: "ebx == 999" }] }),
  );
  await client.run("continue");
  const seen = await client.evaluate("qword [seen],u");
  await client.run("continue");
  const exited = client.events.find(({ event }) => event === "exited");
  return { seen: Number(seen), times: exited!.body.exitCode };
}

const refused = async (inject: unknown): Promise<string> => {
  const client = new DapClient({ [program]: SOURCE });
  await client.ok("initialize", { adapterID: "ringside" });
  const answer = await client.request("launch", { program, inject });
  expect(answer.success).toBe(false);
  return answer.message!;
};

const event = "signal:SIGUSR1";

describe("inject in the launch configuration", () => {
  it("strikes at a label as often as wanted, and at an expression of one", async () => {
    expect(await ran([{ at: "middle", event }])).toEqual({ seen: 1, times: 1 });
    // while the first is being handled, another of its kind only becomes pending
    expect((await ran([{ at: "middle if ebx % 100 == 0", event, count: 3 }])).times).toBe(3);
    expect(await ran([{ at: "middle + 1", event }])).toEqual({ seen: 1, times: 1 });
  });

  it("strikes where a condition holds, at a place or anywhere", async () => {
    expect(await ran([{ at: "middle if ebx == 500 && cpl == 3", event }])).toEqual({ seen: 500, times: 1 });
    expect(await ran([{ at: "if ebx == 321 && rip == middle", event }])).toEqual({ seen: 321, times: 1 });
  });

  it("strikes at an instruction count, exactly", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program }, () =>
      client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "middle", condition: "ebx == 700" }] }),
    );
    await client.run("continue");
    const { icount } = await client.ok("ringside/time");
    expect(await ran([{ at: `#${icount}`, event }])).toEqual({ seen: 700, times: 1 });
  });

  it("strikes when an event happens", async () => {
    expect((await ran([{ at: "event syscall if nr == 39", event }])).times).toBe(1);
    expect(await ran([{ at: "event syscall-enter if nr == 13", event }])).toEqual({ seen: 0, times: 1 });
  });

  it("brings NMIs, interrupts by vector and machine checks, which the program does not notice", async () => {
    const client = new DapClient({ [program]: SOURCE });
    const inject = ["nmi", "irq", "irq:0xfd", "mc"].map((each, i) => ({
      at: `middle if ebx == ${i + 1}`,
      event: each,
    }));
    await client.launch({ program, inject }, () => client.ok("setExceptionBreakpoints", { filters: ["entry"] }));
    await client.run("continue"); // rt_sigaction
    const entries: string[] = [];
    for (let i = 0; i < 4; i++) entries.push((await client.run("continue")).description);
    expect(entries.map((text) => text.replace("kernel entry: ", ""))).toEqual(["nmi", "irq", "irq", "exception"]);
    await client.ok("setExceptionBreakpoints", { filters: [] });
    await client.run("continue");
    expect(client.events.find(({ event: name }) => name === "exited")!.body.exitCode).toBe(0);
  });

  it("is part of the past: going back before it and on again meets it again", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program, inject: [{ at: "event syscall if nr == 39", event }] }, () =>
      client.ok("setBreakpoints", { source, breakpoints: [{ line: 22 }] }),
    );
    await client.run("continue");
    const first = await client.ok("ringside/time");
    await client.run("ringside/goToInstruction", { icount: first.start + 20 });
    expect(await client.evaluate("dword [times],u")).toBe("0");
    await client.run("continue");
    expect((await client.ok("ringside/time")).icount).toBe(first.icount);
    // by single instructions too
    await client.run("ringside/goToInstruction", { icount: first.icount - 60 });
    for (let i = 0; i < 60; i++) await client.run("stepIn", { targetId: 3, granularity: "instruction" });
    expect((await client.ok("ringside/time")).icount).toBe(first.icount);
    expect((await client.topFrame()).line).toBe(22);
  });

  it("is refused with the column where it went wrong", async () => {
    expect(await refused([{ at: "nowhere", event }])).toMatch(/"nowhere".*\(column 1\)/);
    expect(await refused([{ at: "middle +", event }])).toMatch(/ends too early \(column 9\)/);
    expect(await refused([{ at: "middle if ebx ==", event }])).toMatch(/ends too early \(column 17\)/);
    expect(await refused([{ at: "event lunch", event }])).toMatch(/the events are entry, .*\(column 7\)/);
    expect(await refused([{ at: "dword [rsp]", event }])).toMatch(/rsp|memory is not known before/);
    expect(await refused([{ at: "middle", event: "irq:7" }])).toContain("unknown event to inject: irq:7");
    expect(await refused([{ at: "middle", event, count: 0 }])).toContain('"count"');
    const client = new DapClient({ "file:///w/boot.bin": new Uint8Array(512) });
    await client.ok("initialize", { adapterID: "ringside" });
    const bare = await client.request("launch", {
      program: "file:///w/boot.bin",
      arch: "bare",
      inject: [{ at: "0", event }],
    });
    expect(bare.message).toContain("no kernel on a bare machine");
  });
});

/** Begins another program; `work` and `status` are at the same addresses in both. */
const PARENT = `        bits 64
        global _start
_start: call work
        mov eax, 59
        lea rdi, [rel path]
        xor esi, esi
        xor edx, edx
        syscall
        ud2
work:   nop
        ret
        times 64 nop
        section .data
status: dd 40
path:   db "/bin/child", 0
`;
const CHILD = `        bits 64
        global _start
_start: jmp begin
        times 64 nop
begin:  mov ecx, 2
again:  call work               ; line 6
        loop again
        mov eax, 60
        mov edi, [rel status]
        syscall
work:   inc dword [rel status]
        ret
        section .data
status: dd 40
`;
const SEES = { name: "child.asm", path: "/w/child.asm" };

async function begun(inject: readonly unknown[], configure: (client: DapClient) => Promise<unknown> = async () => {}) {
  const client = new DapClient({ [program]: PARENT, "file:///w/child.asm": CHILD });
  await client.launch({ program, files: { "/bin/child": "child.asm" }, inject }, () => configure(client));
  return client;
}
const endOf = (client: DapClient) => client.events.find(({ event: name }) => name === "exited")?.body.exitCode;
const struck = async (client: DapClient) => Number(await client.evaluate("dword [status],u"));

describe("inject in a program that execve begins", () => {
  const kill = "signal:SIGTERM";

  it("waits for it, and strikes in it alone", async () => {
    // both have work
    for (const [at, status] of [
      ["again if ecx == 1", 41],
      ["work + 6 if dword [status] == 42", 42],
      ["begin", 40],
    ]) {
      const client = await begun([{ at, event: kill }]);
      const stop = client.next("stopped", "terminated");
      await client.ok("setExceptionBreakpoints", { filters: ["fatal"] });
      await client.ok("continue", { threadId: 1 });
      expect(await stop).toMatchObject({ reason: "exception" });
      expect(await struck(client)).toBe(status);
    }
    const own = await begun([{ at: "work", event: kill, count: 1 }]);
    await own.run("continue");
    expect(await own.evaluate("rcx")).not.toBe("0x2");
  });

  it("is part of the past, where going back to the first program and on meets it again", async () => {
    const client = await begun([{ at: "again", event: "nmi", count: 2 }], (each) =>
      each.ok("setFunctionBreakpoints", { breakpoints: [{ name: "work" }] }),
    );
    await client.ok("setExceptionBreakpoints", { filters: [] });
    const stops: string[] = [];
    const note = async () => {
      stops.push(`${(await client.topFrame()).source.name} ${(await client.ok("ringside/time")).icount}`);
    };
    for (let i = 0; i < 3; i++) {
      await client.run("continue");
      await note();
    }
    for (let i = 0; i < 2; i++) await client.run("reverseContinue");
    for (let i = 0; i < 2; i++) {
      await client.run("continue");
      await note();
    }
    expect(stops.slice(3)).toEqual(stops.slice(1, 3));
    await client.run("continue");
    expect(endOf(client)).toBe(42);
  });

  it("stops what else wants to stop at the event that it waits for", async () => {
    const client = await begun([{ at: "event exec", event: "nmi" }], (each) =>
      each.ok("setBreakpoints", { source: SEES, breakpoints: [{ line: 6 }] }),
    );
    expect(await client.run("continue")).toMatchObject({ reason: "breakpoint" });
    const entry = await begun([{ at: "event entry", event: "nmi" }], (each) =>
      each.ok("setExceptionBreakpoints", { filters: ["entry"] }),
    );
    const first = await entry.ok("ringside/time");
    expect(await entry.run("continue")).toMatchObject({ reason: "exception" });
    expect((await entry.ok("ringside/time")).icount).toBeLessThan(first.icount + 20);
  });

  it("is typed, too", async () => {
    const client = await begun([]);
    const stopped = client.next("stopped");
    const { result } = await client.ok("evaluate", { expression: "inject nmi at again if ecx == 1", context: "repl" });
    expect(result).toContain("at again");
    expect(await stopped).toMatchObject({ reason: "goto" });
    expect((await client.topFrame()).source).toMatchObject(SEES);
    expect(await struck(client)).toBe(41);
    const nowhere = await client.request("evaluate", { expression: "inject nmi at nowhere", context: "repl" });
    expect(nowhere.message).toMatch(/"nowhere".*\(column 1\)/);
  });
});

describe("inject in the console", () => {
  const type = async (client: DapClient, expression: string): Promise<string> => {
    const answer = await client.request("evaluate", { expression, context: "repl" });
    return answer.success ? answer.body.result : `error: ${answer.message}`;
  };

  it("runs on to a place, and makes it happen there", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program });
    const stopped = client.next("stopped");
    expect(await type(client, `inject ${event} at middle if ebx == 77`)).toContain("at middle");
    expect(await stopped).toMatchObject({ reason: "goto", text: expect.stringContaining(event) });
    expect(await client.evaluate("ebx,u")).toBe("77");
    await client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "handler" }] });
    await client.run("continue");
    expect(await client.evaluate("ebx,u")).toBe("77");
    expect(await type(client, "inject nmi at middle +")).toMatch(/^error: .*\(column 9\)/);
    expect(await type(client, "inject lunch at middle")).toContain("unknown event");
    expect(await type(client, "inject nmi at if ebx == 1")).toContain("say where");
  });
});
