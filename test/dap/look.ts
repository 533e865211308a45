/**
 * Looks at everything a client can look at while the program stands still, and holds the answers against each other: a page against the
 * whole, a variable against its expression and its memory, a frame against its source. Every message is checked by schema on the way.
 */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { expect } from "vitest";
import type { DapClient } from "./client.ts";

type Variable = DebugProtocol.Variable;
type Frame = DebugProtocol.StackFrame;

/** How deep variables are unfolded; a "brief" look reads the scopes' first level and leaves out what is costly. */
export type Depth = "brief" | "deep";

/** What counts of a stop: two looks at the same instant must give the same. */
export interface Sight {
  readonly frames: readonly string[];
  readonly variables: Readonly<Record<string, string>>;
}

export async function look(client: DapClient, depth: Depth, kernel: boolean): Promise<Sight> {
  const { threads } = await client.ok("threads");
  expect(threads.length).toBeGreaterThan(0);
  const frames = await lookAtStack(client);
  const variables = await lookAtScopes(client, frames[0]!, depth);
  await lookAtCode(client, frames[0]!, depth);
  if (kernel) {
    const state = await client.ok("ringside/kernelState");
    expect(state.ptRegs.length).toBeGreaterThan(10);
    expect((await client.ok("ringside/espfix")).design).toBeTypeOf("string");
  }
  if (depth === "deep") {
    await lookAtCallers(client, frames);
    await lookAtSources(client, frames);
    await lookAtPlaces(client, frames[0]!);
  }
  return { frames: frames.map(({ name, line }) => `${name} ${line}`), variables };
}

async function lookAtStack(client: DapClient): Promise<Frame[]> {
  const { stackFrames, totalFrames } = await client.ok("stackTrace", { threadId: client.thread });
  expect(totalFrames).toBe(stackFrames.length);
  const page = await client.ok("stackTrace", { threadId: client.thread, startFrame: 1, levels: 1 });
  expect(page.stackFrames).toEqual(stackFrames.slice(1, 2));
  const [top] = stackFrames;
  const ip = BigInt.asUintN(64, BigInt(top.instructionPointerReference.split("@")[0]));
  const [offset, base] = [await value(client, "rip"), await value(client, "cs.base")];
  expect(BigInt.asUintN(64, offset + base), "the top frame stands at the instruction pointer").toBe(ip);
  return stackFrames;
}

/** Watches show a symbol behind the number. */
async function value(client: DapClient, expression: string): Promise<bigint> {
  return BigInt((await client.evaluate(expression)).split(" ")[0]!);
}

async function lookAtScopes(client: DapClient, frame: Frame, depth: Depth): Promise<Record<string, string>> {
  const { scopes } = await client.ok("scopes", { frameId: frame.id });
  expect(scopes.map(({ name }: DebugProtocol.Scope) => name)).toEqual(expect.arrayContaining(["Registers", "Stack"]));
  const seen: Record<string, string> = {};
  for (const { name, variablesReference, expensive } of scopes as DebugProtocol.Scope[]) {
    if (expensive && depth === "brief") continue;
    await unfold(client, variablesReference, name, depth === "brief" ? 1 : 3, seen);
  }
  return seen;
}

async function unfold(
  client: DapClient,
  variablesReference: number,
  path: string,
  levels: number,
  seen: Record<string, string>,
): Promise<void> {
  const { variables }: { variables: Variable[] } = await client.ok("variables", { variablesReference });
  for (const variable of variables) {
    expect(Object.hasOwn(seen, `${path}/${variable.name}`), `two variables ${path}/${variable.name}`).toBe(false);
    seen[`${path}/${variable.name}`] = variable.value;
  }
  if (levels > 1 && variables.length > 0) await lookAtPage(client, variablesReference, variables);
  for (const variable of variables) {
    if (levels > 1) await lookAtValue(client, variable);
    if (levels > 1 && variable.variablesReference > 0)
      await unfold(client, variable.variablesReference, `${path}/${variable.name}`, levels - 1, seen);
  }
}

async function lookAtPage(client: DapClient, variablesReference: number, all: readonly Variable[]): Promise<void> {
  const start = all.length >> 1;
  const page = await client.ok("variables", { variablesReference, start, count: 2 });
  // lazily made children get new references each time
  const plain = (variables: readonly Variable[]) => variables.map(({ variablesReference: _, ...rest }) => rest);
  expect(plain(page.variables)).toEqual(plain(all.slice(start, start + 2)));
}

/** What is shown first; of a symbol, what lies there. */
const NUMBER = /^(?:0x[\da-f]+: )?((0x)?[\da-f]+)(?=$| )/i;

/** Its expression gives the same value; its memory holds it. */
async function lookAtValue(client: DapClient, variable: Variable): Promise<void> {
  const { name, value: shown, evaluateName, memoryReference } = variable;
  const number = NUMBER.exec(shown)?.[1];
  if (evaluateName !== undefined && number !== undefined) {
    const result = (await client.evaluate(evaluateName)).split(" ")[0]!;
    expect(BigInt(result), `${evaluateName}, shown as ${shown} at ${name}`).toBe(BigInt(number));
  }
  if (memoryReference === undefined) return;
  const { data, unreadableBytes = 0 } = await client.ok("readMemory", { memoryReference, count: 8 });
  expect(atob(data ?? "").length + unreadableBytes).toBe(8);
}

const AROUND = 4;

async function lookAtCode(client: DapClient, { instructionPointerReference }: Frame, depth: Depth): Promise<void> {
  const memoryReference = instructionPointerReference!;
  const asked = { memoryReference, instructionOffset: -AROUND, instructionCount: 3 * AROUND };
  const { instructions } = await client.ok("disassemble", asked);
  expect(instructions).toHaveLength(3 * AROUND);
  const here = instructions[AROUND];
  expect(BigInt(here.address), "the instruction asked for stands where it must").toBe(
    BigInt(memoryReference.split("@")[0]!),
  );
  const { data } = await client.ok("readMemory", { memoryReference, count: 16 });
  const bytes = Array.from(atob(data), (char) => char.charCodeAt(0).toString(16).padStart(2, "0")).join(" ");
  expect(bytes.startsWith(here.instructionBytes), `${here.instruction}: ${here.instructionBytes} of ${bytes}`).toBe(
    true,
  );
  for (const context of depth === "deep" ? ["watch", "hover", "repl", "clipboard", "variables"] : ["watch", "hover"]) {
    const { result } = await client.ok("evaluate", { expression: "rsp + 8 * 2", context });
    expect(result).toMatch(/^0x[\da-f]+/);
  }
}

/** Scopes of every caller: user code behind an entry has its registers in pt_regs. */
async function lookAtCallers(client: DapClient, frames: readonly Frame[]): Promise<void> {
  for (const { id } of frames.slice(1)) {
    const { scopes } = await client.ok("scopes", { frameId: id });
    expect(scopes.length).toBeGreaterThan(0);
    const { variables } = await client.ok("variables", { variablesReference: scopes[0].variablesReference });
    expect(variables.length).toBeGreaterThan(0);
  }
}

async function lookAtSources(client: DapClient, frames: readonly Frame[]): Promise<void> {
  for (const { source, line } of frames) {
    if (!source?.sourceReference) continue;
    const { content } = await client.ok("source", { source, sourceReference: source.sourceReference });
    expect(content.split("\n").length, `${source.name} has line ${line}`).toBeGreaterThanOrEqual(line);
  }
  const { modules } = await client.ok("modules", {});
  expect(modules.length).toBeGreaterThan(1);
  expect((await client.ok("loadedSources")).sources.length).toBeGreaterThan(1);
}

async function lookAtPlaces(
  client: DapClient,
  { id, source, line, instructionPointerReference }: Frame,
): Promise<void> {
  const { targets } = await client.ok("stepInTargets", { frameId: id });
  for (const { label } of targets) expect(label).not.toBe("");
  if (source !== undefined) {
    const locations = await client.ok("breakpointLocations", { source, line, endLine: line + 20 });
    expect(
      locations.breakpoints.map((each: { line: number }) => each.line),
      `places in ${source.name} from line ${line}`,
    ).toContain(line);
    const jumps = await client.ok("gotoTargets", { source, line });
    expect(jumps.targets.map((each: { line: number }) => each.line)).toContain(line);
  }
  const completions = await client.ok("completions", { frameId: id, text: "r", column: 2 });
  expect(completions.targets.map((each: { label: string }) => each.label)).toContain("rax");
  const info = await client.ok("dataBreakpointInfo", { name: instructionPointerReference!, asAddress: true, bytes: 1 });
  expect(info.dataId).toBeTypeOf("string");
  expect((await client.ok("dataBreakpointInfo", { name: "rax" })).dataId).toBeNull();
}
