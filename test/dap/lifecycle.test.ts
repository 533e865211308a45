/** What an exception tells, and restarting and ending a session. */
import path from "node:path";
import { describe, expect, it } from "vitest";
import { hostFiles } from "../../src/cli/host-files.ts";
import { DapClient } from "./client.ts";

const program = "file:///w/life.asm";
const SOURCE = ` bits 64
 global _start
_start: mov rax, [rsp]
 mov dword [0x1234], 1
`;

describe("a relative program", () => {
  const folder = path.resolve("scenarios/espfix");
  it.each([
    ["is in the adapter's own folder", { program: "scenarios/espfix/espfix.asm" }],
    ["is in launch.json's folder", { program: "espfix.asm", cwd: folder }],
    [
      "is in launch.json's folder, itself in the adapter's",
      { program: "../espfix/./espfix.asm", cwd: "scenarios/vm86" },
    ],
    ["may be one on its own", { program: path.join(folder, "espfix.asm"), cwd: "/nowhere" }],
  ])("%s", async (_, launch) => {
    const client = new DapClient(hostFiles);
    await client.launch(launch);
    expect((await client.topFrame()).source.path).toBe(path.join(folder, "espfix.asm"));
  });
});

describe("exceptionInfo", () => {
  it("has vector, error code with its meaning, and CR2", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program }, () =>
      client.ok("setExceptionBreakpoints", {
        filters: [],
        filterOptions: [{ filterId: "pagefault", condition: "vector == 14 && errorCode == 6 && cr2 == 0x1234" }],
      }),
    );
    const stop = await client.run("continue");
    expect(stop).toMatchObject({ reason: "exception", description: "#PF" });
    const { exceptionId, details } = await client.ok("exceptionInfo", { threadId: stop.threadId });
    expect(exceptionId).toBe("#PF");
    expect(details.message).toContain("vector: 0xe");
    expect(details.message).toContain("errorCode: 6");
    expect(details.message).toContain("address: 0x1234");
    expect(details.message).toContain("write in user mode, page not present");
  });
});

describe("a stop at the kernel's boundary", () => {
  it("says in a sentence what goes in or out", async () => {
    const client = new DapClient({
      [program]: " bits 64\n global _start\n_start: mov eax, 39\n syscall\n int 0x80\n ud2\n",
    });
    await client.launch({ program }, () => client.ok("setExceptionBreakpoints", { filters: ["entry", "exit"] }));
    const said: string[] = [];
    for (let stops = 0; stops < 5; stops++) said.push((await client.run("continue")).text);
    expect(said).toEqual([
      "SYSCALL at 0x401005 enters the kernel at entry_SYSCALL_64",
      "SYSRET returns to user mode at 0x401007",
      "INT 80h at 0x401007 enters the kernel at asm_int80_emulation",
      "IRET returns to user mode at 0x401009",
      "exception #UD at 0x401009 enters the kernel at asm_exc_invalid_op",
    ]);
  });
});

describe("a session", () => {
  it("restarts with new arguments over the old ones, and keeps the program if they are wrong", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program, args: ["one"] });
    await client.run("next");
    expect(await client.evaluate("rax,u")).toBe("2");
    const again = client.next("stopped");
    // by the schema's `oneOf` no arguments are valid: those of a launch are those of an attach, too
    const restarted = await client.request("restart", { arguments: { args: ["one", "two"] } });
    expect(restarted.success).toBe(true);
    expect((await again).reason).toBe("entry");
    await client.run("next");
    expect(await client.evaluate("rax,u")).toBe("3");
    const wrong = await client.request("restart", { arguments: { args: "all" } });
    expect(wrong.message).toContain('"args"');
    expect(await client.evaluate("rax,u")).toBe("3");
  });

  it("ends once, and is asked nothing more", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program });
    await client.ok("disconnect", { terminateDebuggee: true });
    expect((await client.request("stackTrace", { threadId: 1 })).success).toBe(false);
    expect((await client.request("continue", { threadId: 1 })).message).toContain("no program");
  });
});
