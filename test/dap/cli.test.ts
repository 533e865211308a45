/** At 20 stops of several scenarios, reached by steps, backwards and forwards: what the adapter answers is what `ringside state` says of that instant. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import type { DebugProtocol } from "@vscode/debugprotocol";
import { expect, it } from "vitest";
import { hostFiles } from "../../src/cli/host-files.ts";
import { stateAt } from "../../src/cli/state.ts";
import { DapClient } from "./client.ts";

const folder = path.resolve(import.meta.dirname, "../../scenarios");
/** Steps between stops; every second stop is looked at from beyond it. */
const STEPS = 9;
const STOPS = 5;

type Values = { [name: string]: string | { value: string; parts: Values } };

async function compare(client: DapClient, said: Awaited<ReturnType<typeof stateAt>>): Promise<void> {
  const { stackFrames } = await client.ok("stackTrace", {
    threadId: client.events.findLast(({ event }) => event === "stopped")!.body.threadId,
  });
  expect(
    stackFrames.map((frame: DebugProtocol.StackFrame) => [
      frame.instructionPointerReference,
      frame.name.split("  [")[0],
    ]),
  ).toEqual(said.stack.map(({ address, name }) => [address, name]));
  for (const [i, { line }] of said.stack.entries()) if (line !== undefined) expect(stackFrames[i].line).toBe(line);
  const memoryReference = stackFrames[0].instructionPointerReference;
  const code = await client.ok("disassemble", { memoryReference, instructionCount: said.disassembly.length });
  expect(
    code.instructions.map(({ address, instruction }: DebugProtocol.DisassembledInstruction) => ({
      address,
      instruction,
    })),
  ).toEqual(said.disassembly);
  const { address, data } = await client.ok("readMemory", { memoryReference, count: 64 });
  expect({ address, data }).toEqual(said.memory);
  const { scopes } = await client.ok("scopes", { frameId: stackFrames[0].id });
  expect(scopes.map(({ name }: DebugProtocol.Scope) => name)).toEqual(Object.keys(said.scopes));
  for (const { name, variablesReference } of scopes)
    await compareValues(client, variablesReference, said.scopes[name] as Values, name);
  expect(await client.ok("ringside/kernelState")).toEqual(JSON.parse(JSON.stringify(said.kernelState)));
  expect(await client.ok("ringside/espfix")).toEqual(JSON.parse(JSON.stringify(said.espfix)));
}

async function compareValues(client: DapClient, variablesReference: number, said: Values, at: string): Promise<void> {
  const shown = await client.variables(variablesReference);
  expect([...shown.keys()], at).toEqual(Object.keys(said));
  for (const [name, value] of Object.entries(said)) {
    const variable = shown.get(name)!;
    expect(variable.value, `${at}: ${name}`).toBe(typeof value === "string" ? value : value.value);
    if (typeof value !== "string")
      await compareValues(client, variable.variablesReference, value.parts, `${at}: ${name}`);
  }
}

it.each(["espfix", "mixed-mode", "vm86", "sysret"])(
  `${STOPS} stops of %s are what the command says of them`,
  async (name) => {
    const { program: file, launch } = JSON.parse(readFileSync(path.join(folder, name, "scenario.json"), "utf8"));
    const program = pathToFileURL(path.join(folder, name, file)).href;
    const client = new DapClient(hostFiles);
    await client.launch({ ...launch, program, stepIntoKernel: true });
    for (let stop = 0; stop < STOPS; stop++) {
      for (let steps = 0; steps < STEPS; steps++) await client.run("stepIn", { granularity: "instruction" });
      const { icount } = await client.ok("ringside/time");
      if (stop % 2 === 1) {
        await client.run("stepIn", { granularity: "instruction" });
        await client.run("ringside/goToInstruction", { icount });
      }
      await compare(client, await stateAt({ ...launch, program }, hostFiles, String(icount)));
    }
  },
);

it("a label, a condition at one, and an event are instants for the command as well", async () => {
  const program = pathToFileURL(path.join(folder, "espfix", "espfix.asm")).href;
  const launch = { program, cpu: { vendor: "intel", count: 1 } };
  const numbers: number[] = [];
  for (const at of ["_start", "asm_int80_emulation if cs.dpl == 0", "event syscall-enter"]) {
    const said = await stateAt(launch, hostFiles, at).catch((error: Error) => error.message);
    if (typeof said === "string") throw new Error(`${at}: ${said}`);
    numbers.push(said.icount);
    expect(await stateAt(launch, hostFiles, String(said.icount)), at).toEqual(said);
  }
  expect(new Set(numbers).size).toBe(3);
  await expect(stateAt(launch, hostFiles, "nowhere")).rejects.toThrow(/no instant at "nowhere".*column 1/);
  await expect(stateAt(launch, hostFiles, "if rax == 1")).rejects.toThrow("--at takes");
});
