/** While a client asks for nothing, the past is brought near: it sees nothing of that, whenever it asks again. */
import { afterEach, beforeEach, describe, expect, it, type MockInstance, vi } from "vitest";
import { History } from "../../src/adapter/debug/history.ts";
import { NearPast } from "../../src/adapter/debug/near-past.ts";
import { DapClient } from "./client.ts";

const program = "file:///w/long.asm";
const LONG = `
        bits 64
        global _start
_start: mov ecx, 2000000        ; line 4
.work:  dec ecx
        mov [count], ecx
        jnz .work               ; line 7
        mov eax, 39
        syscall
        inc dword [count]       ; line 10
        mov eax, 60
        xor edi, edi
        syscall
        section .bss
count:  resd 1
`;
const source = { path: "/w/long.asm" };

const approach = NearPast.prototype.approach;
let approaches: Promise<void>[] = [];
/** What the client does when the first slice of the past has run. */
let inTheMiddle: (() => void) | undefined;
let add: MockInstance<History["add"]>;
let client: DapClient;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  [approaches, inTheMiddle] = [[], undefined];
  add = vi.spyOn(History.prototype, "add");
  vi.spyOn(NearPast.prototype, "approach").mockImplementation(function (this: NearPast) {
    const begun = approach.call(this);
    approaches.push(begun);
    const act = inTheMiddle;
    inTheMiddle = undefined;
    act?.();
    return begun;
  });
});
afterEach(async () => {
  await client.request("disconnect", {});
  vi.restoreAllMocks();
  vi.useRealTimers();
});

/** The client asks for nothing for so long, and until what began then is done. */
async function silence(milliseconds = 1000): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
  await Promise.all(approaches);
}

async function atLine(line: number) {
  client = new DapClient({ [program]: LONG });
  await client.launch({ program }, () =>
    client.ok("setBreakpoints", { source, breakpoints: line === 0 ? [] : [{ line }] }),
  );
  await client.run("continue");
}

/** What a client shows of a stop, with the references by which it would ask for more. */
async function shown() {
  const [threads, stack] = [await client.ok("threads"), await client.ok("stackTrace", { threadId: client.thread })];
  const { scopes } = await client.ok("scopes", { frameId: stack.stackFrames[0].id });
  const variables = [];
  for (const { variablesReference } of scopes)
    variables.push((await client.ok("variables", { variablesReference })).variables);
  return { threads, stack, scopes, variables, time: await client.ok("ringside/time") };
}

/** References are counted on; what is behind them is compared, and that the old ones are still good. */
const withoutReferences = (value: unknown): unknown =>
  JSON.parse(JSON.stringify(value, (key, held) => (key.endsWith("Reference") && typeof held === "number" ? "" : held)));

describe("a client that looks at a stop", () => {
  it("sees nothing of the past's coming near; a step back is right, and going on too", async () => {
    await atLine(10);
    const before = await shown();
    const told = ({ event }: { event: string }) => event !== "module" && event !== "loadedSource";
    const events = client.events.filter(told).length;
    await silence();
    expect(add).toHaveBeenCalledTimes(1);
    expect(client.events.filter(told).length).toBe(events);
    // what it holds is as good as before
    for (const [i, { variablesReference }] of before.scopes.entries())
      expect((await client.ok("variables", { variablesReference })).variables.length).toBe(before.variables[i].length);
    expect(withoutReferences(await shown())).toEqual(withoutReferences(before));
    await client.run("stepBack");
    expect((await client.topFrame()).line).toBe(9);
    expect((await client.run("continue")).reason).toBe("breakpoint");
    expect((await client.topFrame()).line).toBe(10);
    await client.run("continue");
    expect(client.events.filter(({ event }) => event === "exited")).toHaveLength(1);
  });

  it("is not hit by the breakpoint again that it stands at", async () => {
    await atLine(10);
    await silence();
    expect(add).toHaveBeenCalledTimes(1);
    const stopped = client.events.filter(({ event }) => event === "stopped").length;
    await client.run("continue");
    expect(client.events.filter(({ event }) => event === "stopped")).toHaveLength(stopped);
    expect(client.output("console")).toContain("exited with status 0");
  });

  it("gets the present when it asks in the middle, and the past comes near later", async () => {
    await atLine(10);
    const before = withoutReferences(await shown());
    let asked: Promise<unknown> | undefined;
    inTheMiddle = () => {
      asked = shown();
    };
    await silence(200);
    expect(withoutReferences(await asked)).toEqual(before);
    expect(add).not.toHaveBeenCalled();
    await silence();
    expect(approaches).toHaveLength(2);
    expect(add).toHaveBeenCalledTimes(1);
    expect(withoutReferences(await shown())).toEqual(before);
  });

  it("steps on from the present in the middle", async () => {
    await atLine(9);
    let stop: Promise<unknown> | undefined;
    inTheMiddle = () => {
      stop = client.run("next");
    };
    await silence(200);
    await stop;
    expect((await client.topFrame()).line).toBe(10);
    expect(await client.evaluate("dword [count],d")).toBe("0");
  });

  it("is left alone while it asks, and once it is gone", async () => {
    await atLine(10);
    for (let i = 0; i < 8; i++) {
      await silence(100);
      await client.ok("threads");
    }
    await client.ok("disconnect", {});
    await silence();
    expect(approaches).toHaveLength(0);
  });

  it("can go back short from the end of the program", async () => {
    await atLine(0);
    await silence();
    expect(add).toHaveBeenCalledTimes(1);
    const response = await client.request("continue", { threadId: client.thread });
    expect(response).toMatchObject({ success: false, message: expect.stringContaining("has ended") });
    await client.run("stepBack");
    expect((await client.topFrame()).line).toBe(13);
  });
});
