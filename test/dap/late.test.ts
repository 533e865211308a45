/** Questions about a stop that has passed, as an editor asks them that draws its views while the user steps on: no error flashes, no value moves. */
import { describe, expect, it } from "vitest";
import { DapClient } from "./client.ts";

const program = "file:///w/late.asm";
const SOURCE = `global _start
_start: mov eax, 1
        call more
.loop:  jmp .loop
more:   mov eax, 2
        ret
`;

async function started() {
  const client = new DapClient({ [program]: SOURCE });
  await client.launch({ program });
  return client;
}

async function scopesOf(client: DapClient): Promise<Record<string, number>> {
  const { scopes } = await client.ok("scopes", { frameId: 1 });
  return Object.fromEntries(
    scopes.map(({ name, variablesReference }: { name: string; variablesReference: number }) => [
      name,
      variablesReference,
    ]),
  );
}

async function valueIn(client: DapClient, reference: number, name: string): Promise<string | undefined> {
  return (await client.variables(reference)).get(name)?.value;
}

const ONE = "0x0000000000000001";
const TWO = "0x0000000000000002";

/** Stopped behind the second line, with Registers looked at. */
async function looked() {
  const client = await started();
  await client.run("next");
  const { Registers: registers } = await scopesOf(client);
  expect(await valueIn(client, registers!, "rax")).toBe(ONE);
  return { client, registers: registers! };
}

describe("variables of a stop that has passed", () => {
  it("are what they were then, until the scopes of this stop are asked for", async () => {
    const { client, registers } = await looked();
    await client.run("next");
    expect(await valueIn(client, registers, "rax")).toBe(ONE);
    expect((await scopesOf(client)).Registers).toBe(registers);
    expect(await valueIn(client, registers, "rax")).toBe(TWO);
  });

  it("cannot be changed", async () => {
    const { client, registers } = await looked();
    await client.run("next");
    const answer = await client.request("setVariable", { variablesReference: registers, name: "rax", value: "5" });
    expect(answer).toMatchObject({ success: false, message: "these variables are from an earlier stop" });
    expect(await client.evaluate("rax,d")).toBe("2");
  });

  it("are no places for data breakpoints, which an editor's menu learns without an error", async () => {
    const { client } = await looked();
    const { Symbols: symbols } = await scopesOf(client);
    const question = { variablesReference: symbols!, name: "_start" };
    expect((await client.ok("dataBreakpointInfo", question)).dataId).not.toBeNull();
    await client.run("next");
    expect((await client.ok("dataBreakpointInfo", question)).dataId).toBeNull();
  });

  it("that nobody has looked at are refused", async () => {
    const client = await started();
    const { Flags: flags } = await scopesOf(client);
    await client.run("next");
    expect(await client.request("variables", { variablesReference: flags })).toMatchObject({ success: false });
  });

  it("are never those of another row, whatever was unfolded in which order", async () => {
    const client = await started();
    const rowsOf = async (scope: string) => client.variables((await scopesOf(client))[scope]!);
    await rowsOf("Registers");
    const ss = (await rowsOf("Segments")).get("ss")!;
    expect((await client.variables(ss.variablesReference)).has("ss.base")).toBe(true);
    await client.run("next");
    await rowsOf("Segments");
    await rowsOf("Registers");
    expect((await client.variables(ss.variablesReference)).has("ss.base")).toBe(true);
  });
});

describe("while the program runs", () => {
  it("scopes, variables and watches are those of the last stop", async () => {
    const { client, registers } = await looked();
    const watch = { expression: "rax,d", frameId: 1, context: "watch" };
    expect(await client.ok("evaluate", watch)).toMatchObject({ result: "1" });
    await client.ok("continue", { threadId: 1 });
    expect((await scopesOf(client)).Registers).toBe(registers);
    expect(await valueIn(client, registers, "rax")).toBe(ONE);
    expect(await client.ok("evaluate", watch)).toMatchObject({ result: "1" });
    const running = { success: false, message: "the program is running: pause it first" };
    expect(await client.request("evaluate", { ...watch, expression: "rbx" })).toMatchObject(running);
    expect(await client.request("evaluate", { ...watch, context: "repl" })).toMatchObject(running);
    await client.run("pause");
    expect(await valueIn(client, (await scopesOf(client)).Registers!, "rax")).toBe(TWO);
  });

  it("what was seen of another program is not shown", async () => {
    const { client, registers } = await looked();
    await client.ok("restart");
    await client.next("stopped");
    expect(await client.request("variables", { variablesReference: registers })).toMatchObject({ success: false });
  });
});
