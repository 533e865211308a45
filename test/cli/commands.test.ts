/** The other commands: scenario, asm, disasm, designs, dap, lsp. */
import { spawn } from "node:child_process";
import { cpSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { file, ringside, scratch } from "./tool.ts";

const scenarios = path.resolve(import.meta.dirname, "../../scenarios");

describe("scenario", () => {
  it("lists and runs all of them, an ok line each", () => {
    const names = readdirSync(scenarios).sort();
    const listed = ringside(["scenario", "list"]).stdout.trim().split("\n");
    expect(listed.map((line) => line.split("  ")[0])).toEqual(names);
    const dir = scratch();
    for (const name of ["espfix", "vm86"])
      cpSync(path.join(scenarios, name), path.join(dir, name), { recursive: true });
    const run = ringside(["scenario", "run", "all", "--dir", dir]);
    expect(run).toEqual({ status: 0, stdout: "ok espfix\nok vm86\n", stderr: "" });
  });

  it("fails when one expected event is changed, and when the mutation changes nothing", () => {
    const dir = scratch();
    cpSync(scenarios, dir, { recursive: true });
    const place = path.join(dir, "espfix", "scenario.json");
    const original = JSON.parse(readFileSync(place, "utf8"));
    const changed = structuredClone(original);
    changed.expect.events.find((event: { type: string }) => event.type === "exit").instruction = "sysret";
    writeFileSync(place, JSON.stringify(changed));
    const run = ringside(["scenario", "run", "espfix", "--dir", dir]);
    expect(run.status).toBe(1);
    expect(run.stdout).toMatch(/^FAIL espfix: expected event 3 did not come/);
    writeFileSync(place, JSON.stringify({ ...original, fails: { because: "nothing", launch: {} } }));
    expect(ringside(["scenario", "run", "espfix", "--dir", dir]).stdout).toMatch(/also passes under the mutation/);
  });
});

describe("--help", () => {
  it("behind any command prints what there is, and behind -- is the guest's", () => {
    const usage = ringside(["--help"]);
    expect(usage).toMatchObject({ status: 0, stderr: "" });
    for (const command of ["run", "asm", "scenario"]) expect(ringside([command, "--help"])).toEqual(usage);
    expect(ringside(["run", "none.asm", "--", "--help"]).stderr).toMatch(/none\.asm/);
  });
});

describe("disasm", () => {
  it("prints source, ELF and flat code in the syntax asked for", () => {
    const dir = scratch();
    const source = file(dir, "d.asm", "bits 64\nglobal _start\n_start: add rax, [rbx+8]\n ret\n");
    expect(ringside(["disasm", source]).stdout).toMatch(/48 03 43 08 +add rax, \[rbx\+8\]\n.*c3 +ret/);
    expect(ringside(["disasm", "--syntax", "gas", source]).stdout).toMatch(/add +8\(%rbx\), ?%rax/);
    const elf = path.join(dir, "d");
    ringside(["asm", source, "-o", elf]);
    expect(ringside(["disasm", elf]).stdout).toMatch(/add rax, \[rbx\+8\]/);
    expect(ringside(["disasm", "--bits", "16", file(dir, "d.com", Uint8Array.of(0x89, 0xc3))]).stdout).toMatch(
      /mov bx, ax/,
    );
  });
});

describe("designs", () => {
  it("lists presets and every design's values", () => {
    expect(ringside(["designs"]).stdout).toMatch(/linux-6.1[\s\S]*espfix=final[\s\S]*espfix=none/);
  });
});

/** Sends one framed message and resolves with the first framed answer. */
function ask(args: string[], message: unknown): Promise<Record<string, unknown>> {
  const child = spawn(process.execPath, [path.resolve(import.meta.dirname, "../../dist/ringside.cjs"), ...args]);
  const body = JSON.stringify(message);
  child.stdin.write(`Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`);
  let text = "";
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.stdout.on("data", (chunk) => {
      text += chunk;
      const match = /Content-Length: (\d+)\r\n\r\n([\s\S]*)/.exec(text);
      if (match === null || Buffer.byteLength(match[2]!) < Number(match[1])) return;
      child.kill();
      resolve(JSON.parse(Buffer.from(match[2]!).subarray(0, Number(match[1])).toString()));
    });
  });
}

describe("servers on stdio", () => {
  it("dap answers initialize with its capabilities", async () => {
    const answer = await ask(["dap"], {
      seq: 1,
      type: "request",
      command: "initialize",
      arguments: { adapterID: "ringside" },
    });
    expect(answer).toMatchObject({ type: "response", success: true, body: { supportsDisassembleRequest: true } });
  });

  it("lsp answers initialize with its capabilities", async () => {
    const params = { processId: null, rootUri: null, capabilities: {} };
    const answer = await ask(["lsp"], { jsonrpc: "2.0", id: 1, method: "initialize", params });
    expect(answer).toMatchObject({ id: 1, result: { capabilities: { textDocumentSync: expect.anything() } } });
  });
});
