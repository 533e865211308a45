/** What a client may ask that no honest one would: names that every object inherits, places outside of the address space, files with odd names. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const SOURCE = "bits 64\nglobal _start\n_start: nop\n jmp _start\n";

async function stopped(): Promise<DapClient> {
  const client = new DapClient({ "file:///w/a.asm": SOURCE });
  await client.launch({ program: "/w/a.asm" });
  return client;
}

describe("names that every object inherits", () => {
  const NAMES = ["constructor", "__proto__", "toString", "valueOf"];

  it("are unknown in expressions, as any other", async () => {
    const client = await stopped();
    const message = async (expression: string) => (await client.loose("evaluate", { expression })).message ?? "";
    const places = ["N", "TIF_N", "TS_N", "SYSCALL_WORK_N", "thread_info.N", "pt_regs.N", "espfix.N", "cs.N", "N = 1"];
    for (const place of [...places, "N(1)", "N [0]", "N ptr [0]", "[N:0]"]) {
      for (const name of NAMES) {
        const plain = "q".repeat(name.length);
        const expected = await message(place.replace("N", plain));
        expect(expected).not.toBe("");
        expect((await message(place.replace("N", name))).replaceAll(name, plain)).toBe(expected);
      }
    }
  });

  it("are no requests and no commands", async () => {
    const client = await stopped();
    for (const name of NAMES) {
      expect((await client.loose(name, {})).success).toBe(false);
      for (const expression of [name, `go ${name}`, `who ${name}`, `inject ${name}`, `inject signal:${name}`]) {
        const { success, message } = await client.loose("evaluate", { expression, context: "repl" });
        expect({ expression, success }).toEqual({ expression, success: false });
        expect(message).not.toContain("bug in Ringside");
      }
    }
  });
});

describe("places outside of the address space", () => {
  const FAR = ["0x7fffffffffffffff", "0x8000000000000000", "0x1234567890abcdef", `0x${"9".repeat(10_000)}`];

  it("have no code", async () => {
    const client = await stopped();
    const around = { instructionOffset: -100, instructionCount: 200 };
    for (const memoryReference of FAR)
      expect((await client.loose("disassemble", { memoryReference, ...around })).success).toBe(false);
    const offset = Number.MAX_SAFE_INTEGER;
    const { message } = await client.loose("disassemble", { memoryReference: "0x401000", offset, ...around });
    expect(message).toMatch(/^no code can be at 0x/);
  });

  it("cannot be read or written", async () => {
    const client = await stopped();
    for (const memoryReference of FAR) {
      const { unreadableBytes } = await client.ok("readMemory", { memoryReference, count: 64 });
      expect(unreadableBytes).toBe(64);
      expect((await client.loose("writeMemory", { memoryReference, data: "AAAA" })).success).toBe(false);
    }
  });
});

describe("what cannot be launched", () => {
  const launch = async (settings: object) => {
    const client = new DapClient({ "file:///w/a.asm": SOURCE });
    await client.ok("initialize", { adapterID: "ringside" });
    return (await client.loose("launch", { program: "/w/a.asm", ...settings })).message;
  };

  it.each(["tif:constructor", "work:toString", "signal:__proto__", "irq:valueOf", "constructor"])(
    "with the event %s",
    async (event) => {
      expect(await launch({ inject: [{ at: "_start", event }] })).toContain(`unknown event to inject: ${event} `);
    },
  );

  it("with injections without end", async () => {
    const inject = Array.from({ length: 100_000 }, () => ({ at: "_start", event: "nmi" }));
    const message = await launch({ inject });
    expect(message).toContain('"inject" takes a list of { "at", "event", "count" }, 1000 at most');
    expect(message!.length).toBeLessThan(400);
  });

  it("by a name that is no text", async () => {
    for (const settings of [{ program: "/w/\ud800" }, { kernel: { entry: "\udfff.S" } }])
      expect(await launch(settings)).toMatch(/cannot read .*: no such file$/);
  });
});

it.each(["file:///w/100%.asm", "untitled:%zz.asm"])("runs %s, whose name is no good URI", async (program) => {
  const client = new DapClient({ [program]: SOURCE });
  expect((await client.launch({ program })).reason).toBe("entry");
  expect((await client.topFrame()).source.name).toBe(program.split("/").at(-1));
});
