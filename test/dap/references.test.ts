/** References: what looks like an address can be looked at as memory and, if it is code, as a line, in everything that is shown at several stops. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { DebugProtocol } from "@vscode/debugprotocol";
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

type Variable = DebugProtocol.Variable;
const folder = path.resolve(import.meta.dirname, "../../scenarios");
const files = { read: async (uri: string) => readFileSync(fileURLToPath(uri)) };

async function open(name: string, more: object = {}) {
  const { program: file, launch } = JSON.parse(readFileSync(path.join(folder, name, "scenario.json"), "utf8"));
  const client = new DapClient(files);
  await client.launch({ ...launch, ...more, program: pathToFileURL(path.join(folder, name, file)).href });
  return client;
}

/** Bits, and addresses of another kind: physical ones, limits, values of MSRs that pack several fields. */
const NO_ADDRESSES =
  /^(e|r)?flags$|^(cr[0348]|efer|star|sfmask|dr[67]|orig_ax|mxcsr)$|\.(limit|attr)$|^(thread_info\.|TIF_|SYSCALL_)/;
/** Names of several words, of floats, of what a page-table entry holds. */
const OTHER_SCOPES = new Set(["SSE", "x87"]);
const NUMBER = /^0x[\da-f]{8,16}\b/;

class Walker {
  readonly client: DapClient;
  checked = 0;
  lines = 0;
  constructor(client: DapClient) {
    this.client = client;
  }

  async stop(): Promise<void> {
    const { stackFrames } = await this.client.ok("stackTrace", { threadId: this.client.thread });
    for (const frame of stackFrames as DebugProtocol.StackFrame[]) {
      expect(await this.isMapped(frame.instructionPointerReference!)).toBe(true);
      const { scopes } = await this.client.ok("scopes", { frameId: frame.id });
      for (const { name, variablesReference } of scopes)
        if (!OTHER_SCOPES.has(name)) await this.unfold(variablesReference, name, 3);
    }
  }

  async unfold(variablesReference: number, at: string, levels: number): Promise<void> {
    const { variables } = await this.client.ok("variables", { variablesReference });
    for (const variable of (variables as Variable[]).slice(0, 200)) {
      await this.look(variable, `${at}/${variable.name}`);
      if (variable.variablesReference > 0 && levels > 1 && variable.name !== "page walk")
        await this.unfold(variable.variablesReference, `${at}/${variable.name}`, levels - 1);
    }
  }

  async look({ name, value, memoryReference, valueLocationReference }: Variable, at: string): Promise<void> {
    const number = NO_ADDRESSES.test(name) ? undefined : NUMBER.exec(value)?.[0];
    if (memoryReference !== undefined) {
      expect((await this.client.request("readMemory", { memoryReference, count: 1 })).success, at).toBe(true);
      this.checked++;
    } else if (number !== undefined && BigInt(number) >= 0x1000n)
      expect(await this.isMapped(number), `${at} is ${value}, and has no reference`).toBe(false);
    if (valueLocationReference === undefined) return;
    const { source, line } = await this.client.ok("locations", { locationReference: valueLocationReference });
    expect(source.name, at).toBeTypeOf("string");
    expect(line, at).toBeGreaterThan(0);
    this.lines++;
  }

  readonly #mapped = new Map<string, boolean>();
  async isMapped(memoryReference: string): Promise<boolean> {
    const known = this.#mapped.get(memoryReference);
    if (known !== undefined) return known;
    const { unreadableBytes = 0 } = await this.client.ok("readMemory", { memoryReference, count: 1 });
    this.#mapped.set(memoryReference, unreadableBytes === 0);
    return unreadableBytes === 0;
  }
}

describe("addresses", () => {
  it.each(["espfix", "sysret", "vm86", "mixed-mode"])(
    "of several stops have a reference to memory: %s",
    async (name) => {
      const client = await open(name, { stepIntoKernel: true });
      const walker = new Walker(client);
      for (let stop = 0; stop < 4; stop++) {
        await walker.stop();
        for (let step = 0; step < 23; step++) await client.run("stepIn", { granularity: "instruction" });
      }
      expect(walker.checked).toBeGreaterThan(400);
      expect(walker.lines).toBeGreaterThan(10);
    },
  );

  it("what is evaluated, and what is assigned, points somewhere", async () => {
    const client = await open("espfix");
    for (const context of ["watch", "hover", "repl", "variables", "clipboard"]) {
      const { memoryReference, valueLocationReference } = await client.ok("evaluate", { expression: "rip", context });
      expect(BigInt(memoryReference)).toBe(BigInt((await client.evaluate("rip")).split(" ")[0]!));
      const { line } = await client.ok("locations", { locationReference: valueLocationReference });
      expect(line).toBe((await client.topFrame()).line);
    }
    const rsp = (await client.evaluate("rsp")).split(" ")[0]!;
    const set = await client.ok("setExpression", { expression: "rbx", value: "rsp" });
    expect(BigInt(set.memoryReference)).toBe(BigInt(rsp));
    const frame = await client.topFrame();
    const [registers] = (await client.ok("scopes", { frameId: frame.id })).scopes;
    const variablesReference = registers.variablesReference;
    const answer = await client.ok("setVariable", { variablesReference, name: "rbx", value: "rsp + 8" });
    expect(BigInt(answer.memoryReference)).toBe(BigInt(rsp) + 8n);
    const none = await client.ok("setExpression", { expression: "rbx", value: "7" });
    expect(none).not.toHaveProperty("memoryReference");
  });

  it("what is assigned is shown in decimal where the client wants that", async () => {
    const client = await open("espfix");
    const format = { hex: false };
    expect((await client.ok("setExpression", { expression: "rbx", value: "77", format })).value).toBe("77");
    expect((await client.ok("evaluate", { expression: "rbx", context: "watch", format })).result).toBe("77");
  });

  it("of breakpoints, places to jump to and instructions are those of the code", async () => {
    const client = await open("espfix");
    const { source, line, instructionPointerReference } = await client.topFrame();
    const set = await client.ok("setBreakpoints", { source, breakpoints: [{ line }] });
    expect(set.breakpoints[0].instructionReference).toBe(instructionPointerReference);
    const { targets } = await client.ok("gotoTargets", { source, line });
    expect(targets[0].instructionPointerReference).toBe(instructionPointerReference);
    const again = await client.ok("setInstructionBreakpoints", {
      breakpoints: [{ instructionReference: instructionPointerReference }],
    });
    expect(again.breakpoints[0]).toMatchObject({ verified: true, instructionReference: instructionPointerReference });
  });
});

it("every frame's module is one of the modules", async () => {
  const client = await open("espfix", { stepIntoKernel: true });
  const seen = new Set<string>();
  for (let step = 0; step < 120; step++) {
    const { stackFrames } = await client.ok("stackTrace", { threadId: client.thread });
    for (const { moduleId } of stackFrames) seen.add(moduleId);
    await client.run("stepIn", { granularity: "instruction" });
  }
  const { modules } = await client.ok("modules", {});
  const ids = modules.map(({ id }: DebugProtocol.Module) => id);
  expect([...seen].every((id) => ids.includes(id))).toBe(true);
  expect(seen.size).toBeGreaterThan(1);
});
