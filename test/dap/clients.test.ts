/**
 * What debug adapter clients other than VS Code rely on, or take literally: each was seen in nvim-dap, dape, vimspector or Helix. And what
 * a client that has declared nothing must not be sent.
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/plain%20one.asm";
const source = { path: "/w/plain one.asm" };
const text = ` bits 64
 global _start
 section .data
total: dq 5
list: dd 1, 2, 3, 4
 section .text
_start: mov ecx, 3
again: inc qword [total]
 dec ecx
 jnz again
 mov eax, 60
 xor edi, edi
 syscall
`;

async function launched(
  declared: Partial<DebugProtocol.InitializeRequestArguments> = {},
  configure: (client: DapClient) => Promise<unknown> = async () => {},
) {
  const client = new DapClient({ "file:///w/plain one.asm": text, [program]: text });
  client.declared = declared;
  await client.launch({ program, stopOnEntry: true }, () => configure(client));
  return client;
}

const breakpointsOf = async (client: DapClient, breakpoints: object[], at: object = source) =>
  (await client.ok("setBreakpoints", { source: at, breakpoints })).breakpoints as DebugProtocol.Breakpoint[];

/** Every property of that name, anywhere in a message. */
function all(name: string, within: unknown): unknown[] {
  if (typeof within !== "object" || within === null) return [];
  return Object.entries(within).flatMap(([key, value]) => [...(key === name ? [value] : []), ...all(name, value)]);
}

describe("a client that has declared nothing", () => {
  const nothing = { supportsVariableType: false, supportsMemoryReferences: false, supportsInvalidatedEvent: false };

  it("gets no types, no memory references, and none of the events that must be declared", async () => {
    const client = await launched(nothing);
    const frameId = (await client.topFrame()).id;
    const { scopes } = await client.ok("scopes", { frameId });
    for (const { variablesReference } of scopes) {
      const { variables } = await client.ok("variables", { variablesReference });
      expect([...all("type", variables), ...all("memoryReference", variables)]).toEqual([]);
    }
    for (const expression of ["rip", "qword [total]", "dword [list],4", "rax = 1"]) {
      const answer = await client.ok("evaluate", { expression, frameId, context: "repl" });
      expect([...all("type", answer), ...all("memoryReference", answer)]).toEqual([]);
    }
    await client.ok("setExpression", { expression: "qword [total]", value: "7" });
    await client.ok("readMemory", { memoryReference: "0x402000", count: 8 });
    await client.run("continue");
    const undeclared = ["invalidated", "memory", "progressStart", "progressUpdate", "progressEnd"];
    expect(client.events.filter(({ event }) => undeclared.includes(event))).toEqual([]);
  });

  it("is sent them as soon as it declares them", async () => {
    const client = await launched({ supportsMemoryEvent: true });
    await client.ok("readMemory", { memoryReference: "0x402000", count: 8 });
    const answer = await client.ok("evaluate", { expression: "qword [total] = 9", context: "repl" });
    expect(answer).toMatchObject({ type: "64-bit", memoryReference: "0x0000000000402000" });
    const events = client.events.map(({ event }) => event);
    expect(events).toContain("invalidated");
    expect(events).toContain("memory");
  });
});

describe("places", () => {
  it("are URIs for a client that names files so", async () => {
    const client = await launched({ pathFormat: "uri" });
    expect((await client.topFrame()).source.path).toBe(program);
    const [set] = await breakpointsOf(client, [{ line: 8 }], { path: program });
    expect(set).toMatchObject({ verified: true, line: 8, source: { path: program } });
    const { sources } = await client.ok("loadedSources", {});
    expect(sources.map(({ path }: DebugProtocol.Source) => path)).toContain(program);
  });

  it("are paths for all others", async () => {
    const client = await launched();
    expect((await client.topFrame()).source.path).toBe(source.path);
  });

  // Helix puts a breakpoint whose answer has no line on the first line
  it("are said of breakpoints that are nowhere, too", async () => {
    const client = await launched();
    const refused = await breakpointsOf(client, [{ line: 90 }, { line: 8, condition: "ecx ==" }]);
    expect(refused).toMatchObject([
      { verified: false, line: 90 },
      { verified: false, line: 8 },
    ]);
    const [elsewhere] = await breakpointsOf(client, [{ line: 3 }], { path: "/w/nowhere.asm" });
    expect(elsewhere).toMatchObject({
      verified: false,
      line: 3,
      message: "no program that runs here is made from this file",
    });
  });
});

describe("what is loaded", () => {
  // dape never asks for modules and sources
  it("is told by events, the first of them when the first stop has been looked at", async () => {
    const client = await launched();
    await client.next("loadedSource");
    const told = (event: string) => client.events.filter((each) => each.event === event).map(({ body }) => body);
    const { modules } = await client.ok("modules", {});
    expect(told("module")).toEqual(modules.map((module: DebugProtocol.Module) => ({ reason: "new", module })));
    const { sources } = await client.ok("loadedSources", {});
    expect(told("loadedSource")).toEqual(
      sources.map((each: DebugProtocol.Source) => ({ reason: "new", source: each })),
    );
    const events = client.events.map(({ event }) => event);
    expect(events.indexOf("module"), "after the program itself").toBeGreaterThan(events.indexOf("process"));
  });
});

describe("values", () => {
  const registers = async (client: DapClient) => {
    const { scopes } = await client.ok("scopes", { frameId: (await client.topFrame()).id });
    return scopes[0].variablesReference as number;
  };

  it("are in the format that is asked for", async () => {
    const client = await launched();
    const variablesReference = await registers(client);
    const rip = async (format: object) => {
      const { variables } = await client.ok("variables", { variablesReference, ...format });
      return variables.find(({ name }: DebugProtocol.Variable) => name === "rip").value;
    };
    expect(await rip({})).toBe("0x0000000000401000");
    expect(await rip({ format: { hex: true } })).toBe("0x0000000000401000");
    expect(await rip({ format: { hex: false } })).toBe(String(0x401000));
    const set = { variablesReference, name: "rbx", value: "255" };
    expect(await client.ok("setVariable", { ...set, format: { hex: false } })).toMatchObject({ value: "255" });
    expect(await client.ok("setVariable", set)).toMatchObject({ value: "0xff" });
    const task = await client.scope("Task");
    expect(task.get("pid")).toMatchObject({ value: "1000", evaluateName: "task.pid" });
  });

  it("are named or indexed, and given as such", async () => {
    const client = await launched();
    const row = await client.ok("evaluate", { expression: "dword [list],4d", context: "watch" });
    const { variablesReference } = row;
    expect(row.indexedVariables).toBe(4);
    const ask = async (more: object) =>
      (await client.ok("variables", { variablesReference, ...more })).variables.map(
        ({ value }: DebugProtocol.Variable) => value,
      );
    expect(await ask({ filter: "indexed" })).toEqual(["1", "2", "3", "4"]);
    expect(await ask({ filter: "indexed", start: 1, count: 2 })).toEqual(["2", "3"]);
    expect(await ask({ filter: "named" })).toEqual([]);
    const all = await client.ok("variables", { variablesReference: await registers(client) });
    const named = await client.ok("variables", { variablesReference: await registers(client), filter: "named" });
    expect(named.variables).toHaveLength(all.variables.length);
  });

  it("that are set in a caller mean what they mean there", async () => {
    const called = text.replace(" dec ecx", " call inner\n dec ecx").concat("inner: mov ebx, 1\n ret\n");
    const client = new DapClient({ [program]: called, "file:///w/plain one.asm": called });
    await client.launch({ program }, () => client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "inner" }] }));
    await client.run("continue");
    const { stackFrames } = await client.ok("stackTrace", { threadId: 1 });
    const pointers: string[] = [];
    for (const frameId of stackFrames.slice(0, 2).map(({ id }: DebugProtocol.StackFrame) => id)) {
      const { scopes } = await client.ok("scopes", { frameId });
      const { variablesReference } = scopes.find(({ name }: DebugProtocol.Scope) => name === "Stack");
      const { value } = await client.ok("setVariable", { variablesReference, name: "+0x8", value: "rsp" });
      expect(value).toBe((await client.ok("evaluate", { expression: "rsp", frameId, context: "watch" })).result);
      pointers.push(value);
    }
    expect(BigInt(pointers[1]!) - BigInt(pointers[0]!)).toBe(8n);
  });

  // a client that can sets what has an evaluateName with setExpression, not with setVariable
  it("that can be set are set by their expressions, too", async () => {
    const client = await launched();
    const { scopes } = await client.ok("scopes", { frameId: (await client.topFrame()).id });
    let tried = 0;
    for (const { name: scope, variablesReference } of scopes) {
      const { variables } = await client.ok("variables", { variablesReference });
      for (const { name, evaluateName, presentationHint } of variables as DebugProtocol.Variable[]) {
        if (evaluateName === undefined) continue;
        const { result } = await client.ok("evaluate", { expression: evaluateName, context: "watch" });
        const value = result.split(" ")[0];
        const readOnly = presentationHint?.attributes?.includes("readOnly") === true;
        const answer = await client.request("setExpression", { expression: evaluateName, value });
        // the processor takes no busy TSS
        if (name === "tr") expect(answer.message).toContain("would not load");
        else expect(answer.success, `${scope}: ${name}, as ${evaluateName} = ${value}`).toBe(!readOnly);
        tried++;
      }
    }
    expect(tried).toBeGreaterThan(100);
  });
});

describe("conditions", () => {
  it("that are wrongly written, or assign, are refused at once and say where", async () => {
    const client = await launched();
    const wrong = [
      [{ condition: "ecx = 3" }, 'condition "ecx = 3": this would change what it asks'],
      [{ condition: "ecx ==" }, 'condition "ecx ==": the expression ends too early (column 7)'],
      [{ hitCondition: "%0" }, '"%0" never happens'],
      [{ hitCondition: "often" }, "a hit condition is a count"],
      [{ logMessage: "at {ecx" }, "without a }"],
      [{ logMessage: "at {ecx +}" }, "{ecx +}: the expression ends too early (column 6)"],
    ] as const;
    const answers = await breakpointsOf(
      client,
      wrong.map(([more]) => ({ line: 8, ...more })),
    );
    for (const [i, [, message]] of wrong.entries()) {
      expect(answers[i]!.verified).toBe(false);
      expect(answers[i]!.message).toContain(message);
    }
    expect((await client.run("continue"))?.reason, "none of them stops").toBeUndefined();
  });

  it("of exception filters are checked, before there is a program too", async () => {
    const client = new DapClient({});
    await client.ok("initialize", { adapterID: "ringside" });
    const { breakpoints } = await client.ok("setExceptionBreakpoints", {
      filters: [],
      filterOptions: [
        { filterId: "exception", condition: "vector ==" },
        { filterId: "exception", condition: "vector == 13" },
        { filterId: "exception", condition: "vector = 13" },
      ],
    });
    expect(breakpoints.map(({ verified }: DebugProtocol.Breakpoint) => verified)).toEqual([false, true, false]);
    expect(breakpoints[0].message).toBe('condition "vector ==": the expression ends too early (column 10)');
  });

  it("and counts of data breakpoints count", async () => {
    const changes = async (more: object) => {
      const client = await launched();
      const { dataId } = await client.ok("dataBreakpointInfo", { name: "qword [total]" });
      const { breakpoints } = await client.ok("setDataBreakpoints", { breakpoints: [{ dataId, ...more }] });
      if (!breakpoints[0].verified) return breakpoints[0].message;
      const found: string[] = [];
      while ((await client.run("continue"))?.reason === "data breakpoint")
        found.push(await client.evaluate("qword [total],d"));
      return found;
    };
    expect(await changes({})).toEqual(["6", "7", "8"]);
    expect(await changes({ condition: "qword [total] == 7" })).toEqual(["7"]);
    expect(await changes({ hitCondition: ">= 2" })).toEqual(["7", "8"]);
    expect(await changes({ condition: "qword [total] > 6", hitCondition: "== 2" })).toEqual(["8"]);
    expect(await changes({ condition: "total = 3" })).toContain("this would change");
  });
});

describe("a running program", () => {
  const endless = ` bits 64\n global _start\n section .data\nv: dq 0\n section .text\n_start: nop\nagain: inc qword [v]\n jmp again\n`;

  async function running() {
    const client = new DapClient({ [program]: endless, "file:///w/plain one.asm": endless });
    await client.launch({ program, stopOnEntry: true });
    const { dataId } = await client.ok("dataBreakpointInfo", { name: "qword [v]" });
    await client.ok("continue", { threadId: 1 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    return { client, dataId, stopped: client.next("stopped") };
  }

  it("meets breakpoints of every kind that are set meanwhile", async () => {
    const line = await running();
    expect((await breakpointsOf(line.client, [{ line: 7 }]))[0]).toMatchObject({ verified: true });
    expect((await line.stopped).reason).toBe("breakpoint");
    const label = await running();
    await label.client.ok("setFunctionBreakpoints", { breakpoints: [{ name: "again" }] });
    expect((await label.stopped).reason).toBe("function breakpoint");
    const physical = await running();
    const wanted = { instructionReference: "0x401001", mode: "physical" };
    await physical.client.ok("setInstructionBreakpoints", { breakpoints: [wanted] });
    expect((await physical.stopped).reason).toBe("instruction breakpoint");
    const data = await running();
    await data.client.ok("setDataBreakpoints", { breakpoints: [{ dataId: data.dataId }] });
    expect((await data.stopped).reason).toBe("data breakpoint");
  });

  it("passes those that are taken away meanwhile", async () => {
    const { client, stopped } = await running();
    await breakpointsOf(client, [{ line: 7, condition: "qword [v] == 1" }]);
    await breakpointsOf(client, []);
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(client.events.filter(({ event }) => event === "stopped")).toHaveLength(1);
    await client.ok("pause", { threadId: 1 });
    expect((await stopped).reason).toBe("pause");
  });
});

describe("asking", () => {
  it("changes nothing, whoever asks, but in the console", async () => {
    const client = await launched();
    const before = await client.evaluate("rax");
    for (const context of ["watch", "hover", "clipboard", "variables"]) {
      const answer = await client.request("evaluate", { expression: "(rax = 3) + 1", context });
      expect(answer.message).toContain("this would change what it asks");
    }
    expect((await client.request("dataBreakpointInfo", { name: "qword [total] = 2" })).success).toBe(false);
    expect((await client.request("setExpression", { expression: "rbx", value: "rcx = 2" })).success).toBe(false);
    expect(await client.evaluate("rax")).toBe(before);
    // a character is no assignment: the future stays, and a hover may ask
    await client.run("next");
    await client.run("stepBack");
    const { latest } = await client.ok("ringside/time");
    expect((await client.ok("evaluate", { expression: "al == '='", context: "hover" })).result).toBe("0x0");
    expect((await client.ok("evaluate", { expression: "al == '='", context: "repl" })).result).toBe("0x0");
    expect((await client.ok("ringside/time")).latest).toBe(latest);
  });
});
