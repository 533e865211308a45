/** Data breakpoints over the protocol: by expression, by variable, by address, by bit of a kernel field. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/data.asm";
const SOURCE = `
        bits 64
        global _start
_start: mov ecx, 5
.next:  mov dword [same], 7     ; line 5: no change
        add dword [total], ecx  ; line 6
        dec ecx
        jnz .next               ; line 8
        mov edx, [total]        ; line 9
        mov eax, 20
        int 0x80                ; line 11
        mov eax, 60
        xor edi, edi
        syscall
        section .data
same:   dd 7
total:  dd 0
`;

async function watching(name: string, accessType: string, extra = {}, launch: Record<string, unknown> = {}) {
  const client = new DapClient({ [program]: SOURCE });
  await client.launch({ program, ...launch });
  const info = await client.ok("dataBreakpointInfo", { name, ...extra });
  expect(info.dataId).toEqual(expect.any(String));
  const { breakpoints } = await client.ok("setDataBreakpoints", { breakpoints: [{ dataId: info.dataId, accessType }] });
  expect(breakpoints[0].verified).toBe(true);
  return client;
}

describe("data breakpoints", () => {
  it("stop after each change of a value, and not where it is written unchanged", async () => {
    const client = await watching("dword [total]", "write");
    const stop = await client.run("continue");
    expect(stop.reason).toBe("data breakpoint");
    expect(stop.text).toMatch(/^0x0 -> 0x5, written by/);
    expect((await client.topFrame()).line).toBe(7);
    await client.run("continue");
    expect(await client.evaluate("dword [total],d")).toBe("9");
    const same = await watching("dword [same]", "write");
    await same.run("continue");
    expect(same.events.at(-1)?.event).toBe("terminated");
  });

  it("stop at reads when asked to", async () => {
    const client = await watching("dword [same]", "readWrite");
    expect((await client.run("continue")).reason).toBe("data breakpoint");
    expect((await client.topFrame()).line).toBe(6);
  });

  it("watch any address", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program });
    const address = (await client.evaluate("total")).split(" ")[0]!;
    const info = await client.ok("dataBreakpointInfo", { name: address, asAddress: true, bytes: 4 });
    await client.ok("setDataBreakpoints", { breakpoints: [{ dataId: info.dataId, accessType: "write" }] });
    expect((await client.run("continue")).reason).toBe("data breakpoint");
    await client.ok("setDataBreakpoints", { breakpoints: [] });
    await client.run("continue");
    expect(client.events.at(-1)?.event).toBe("terminated");
  });

  it("watch one bit of a kernel field, and name the up-call that changed it", async () => {
    const client = await watching("TS_COMPAT", "write");
    const set = await client.run("continue");
    expect(set).toMatchObject({ reason: "data breakpoint", text: "0x0 -> 0x2, written by syscall_32_enter" });
    expect(await client.evaluate("TS_COMPAT")).toBe("1");
    const cleared = await client.run("continue");
    expect(cleared.text).toBe("0x2 -> 0x0, written by exit_to_user_mode_prepare");
  });

  it("name the instruction where entry code changes it itself, as that of Linux 4.0 did", async () => {
    const client = await watching("TS_COMPAT", "write", {}, { kernel: { preset: "linux-4.0" } });
    expect((await client.run("continue")).text).toBe(
      "0x0 -> 0x2, written by the instruction before ia32_check_entry_work",
    );
    expect((await client.run("continue")).text).toMatch(
      /^0x2 -> 0x0, written by the instruction before int_with_check/,
    );
  });

  it("are refused for what is not in memory", async () => {
    const client = new DapClient({ [program]: SOURCE });
    await client.launch({ program });
    expect((await client.ok("dataBreakpointInfo", { name: "rax" })).dataId).toBe(null);
    const { breakpoints } = await client.ok("setDataBreakpoints", { breakpoints: [{ dataId: "nonsense" }] });
    expect(breakpoints[0].verified).toBe(false);
  });
});
