/** While the user looks at a stop the past is brought near; whatever was there before is there afterwards, and steps back are short. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { NearPast } from "../../../src/adapter/debug/near-past.ts";
import { goToInstruction, stepBack } from "../../../src/adapter/debug/reverse.ts";
import type { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { canonicalText } from "../../../src/emu/machine/hash.ts";
import type { MachineEvent } from "../../../src/emu/machine/types.ts";
import { requireTool } from "../../tools.ts";
import { debuggee } from "./debuggee.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ringside-near-past-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const LONG = 400_000;
const program = path.join(folder, "work.asm");
writeFileSync(
  program,
  `bits 64
   section .text
   global _start
_start: mov ecx, ${LONG}
work:   dec ecx
        mov [count], ecx
        jnz work
        mov eax, 39
        syscall
behind: nop
again:  mov ecx, ${LONG}
more:   dec ecx
        jnz more
        mov dword [count], 7
        mov eax, 60
        mov edi, 3
        syscall
   section .bss
count:  resq 1
`,
);

type Session = Awaited<ReturnType<typeof debuggee>>;
/** At most so many instructions are replayed by a step back that has a checkpoint near. */
const SHORT = 20_000;

/** All that there is of the present, as far as it can be asked. */
function present({ control, history, target, state }: Session): string {
  const { machine } = target;
  return canonicalText({
    state: state(),
    icount: machine.icount,
    asked: machine.cpus.map(({ asked }) => ({ ...asked })),
    translations: machine.cpus.map(translations),
    ended: control.ended === undefined ? "" : JSON.stringify(control.ended),
    range: [history.start, history.latest, history.due],
  });
}

/** Words of a translation as it is saved, and those of the fast way to write, which every checkpoint takes away. */
const ENTRY = 9;
const WRITE_TAG: readonly number[] = [3, 4];
const translations = (cpu: Cpu): number[] => [...cpu.saveTlb()].filter((_, i) => !WRITE_TAG.includes(i % ENTRY));

/** Brings the past near, sees that nothing shows, and that a step back is short and right. */
async function bringsNear(session: Session): Promise<void> {
  const { control, history, target } = session;
  expect(history.wanting).toBeDefined();
  const events: MachineEvent[] = [];
  const forget = target.machine.events.listen((event) => {
    if (!control.replaying) events.push(event);
  });
  const here = present(session);
  const { icount } = target.machine;
  await new NearPast(control, history).approach();
  forget();
  expect(present(session)).toBe(here);
  expect(events).toEqual([]);
  expect(history.wanting).toBe(undefined);
  expect(icount - history.before(icount)[0]!).toBeLessThanOrEqual(SHORT);
  await goToInstruction(control, history, icount - 1);
  expect(target.machine.icount).toBe(icount - 1);
  expect(history.replayed).toBeLessThanOrEqual(SHORT);
}

async function atStop(label: string, reached?: () => boolean) {
  const session = await debuggee({ program });
  const { control, target } = session;
  await control.runToUser();
  const address = target.symbols(control.cpu).address(label)!;
  expect(await control.run({ addresses: [address], ...(reached && { reached }) })).toBe("reached");
  return session;
}

describe("the past is brought near", () => {
  it("of a breakpoint, which does not stop the program again", async () => {
    const session = await debuggee({ program });
    const { control, breakpoints, target, history } = session;
    const address = target.symbols(control.cpu).address("behind")!;
    breakpoints.replace("instruction", [breakpoints.make("instruction", [address], {})]);
    expect(await control.run()).toMatchObject({ reason: "breakpoint" });
    await new NearPast(control, history).approach();
    expect(await control.run()).toMatchObject({ reason: "exited", status: 3 });
  });

  it("with data breakpoints, which are hit as before", async () => {
    const session = await atStop("again");
    const { control, target, history } = session;
    const address = target.symbols(control.cpu).address("count")!;
    const mask = 0xffff_ffffn;
    control.data.replace([{ id: 1, address, bytes: 4, mask, access: "write" }], control.view);
    expect(await control.run({ icount: target.machine.icount + 100_000 })).toBe("reached");
    const here = present(session);
    await new NearPast(control, history).approach();
    expect(present(session)).toBe(here);
    // of what is armed, not armed again
    target.run(1_000_000);
    expect(target.symbols(control.cpu).describe(control.cpu.linearIp)).toMatch(/^more/);
    expect(
      await stepBack(control, history, { granularity: "instruction", intoKernel: false, thread: 1 }),
    ).toBeDefined();
    expect(await control.run()).toMatchObject({
      reason: "data breakpoint",
      text: expect.stringContaining("0x0 -> 0x7"),
    });
  });

  it("of an event, behind which the same events come", async () => {
    const eventsFrom = async (between: (session: Session) => Promise<void>): Promise<string[]> => {
      const session = await debuggee({ program });
      const { control, target } = session;
      await control.runToUser();
      control.setEventFilter(({ type }) => (type === "exit" ? "exits" : undefined));
      for (let stops = 0; stops < 2; stops++) expect(await control.run()).toMatchObject({ reason: "exception" });
      control.setEventFilter(() => undefined);
      await between(session);
      const events: string[] = [];
      target.machine.events.listen((event) => void events.push(canonicalText(event)));
      await control.run();
      return events;
    };
    const expected = await eventsFrom(async () => {});
    expect(expected.length).toBeGreaterThan(3);
    expect(await eventsFrom(bringsOnlyNear)).toEqual(expected);
  });

  it("of a program that has ended", async () => {
    const session = await debuggee({ program });
    expect(await session.control.run()).toMatchObject({ reason: "exited", status: 3 });
    await bringsNear(session);
  });

  it("behind a change by hand", async () => {
    const session = await atStop("again");
    session.control.cpu.setGpr(1, 5n);
    session.history.changed();
    await bringsNear(session);
    expect(session.control.cpu.gpr(1)).not.toBe(5n);
  });
});

const bringsOnlyNear = ({ control, history }: Session) => new NearPast(control, history).approach();

describe("the present is back at once", () => {
  it("when it is asked for, at whatever time; then there is no checkpoint", async () => {
    const session = await atStop("again");
    const { control, history } = session;
    const here = present(session);
    const { icount } = session.target.machine;
    const checkpoints = history.before(Number.POSITIVE_INFINITY);
    const nearPast = new NearPast(control, history);
    const begun = nearPast.approach();
    expect(session.target.machine.icount).toBeLessThan(icount);
    nearPast.leave();
    expect(present(session)).toBe(here);
    // and the program goes on as if nothing had been
    await control.run({ icount: session.target.machine.icount + 10 });
    const further = present(session);
    await begun;
    expect(present(session)).toBe(further);
    expect(history.before(Number.POSITIVE_INFINITY)).toEqual(checkpoints);
  });
});

describe("nothing is done", () => {
  it("where a checkpoint is near, or none before", async () => {
    const session = await debuggee({ program });
    expect(session.history.wanting).toBe(undefined);
    await session.control.run({ icount: session.target.machine.icount + SHORT - 1 });
    expect(session.history.wanting).toBe(undefined);
    await session.control.run({ icount: session.target.machine.icount + 2 });
    expect(session.history.wanting).toBeDefined();
  });

  it("where another checkpoint had to go for it", async () => {
    const roomy = await debuggee({ program });
    await roomy.control.run();
    const session = await debuggee({ program }, roomy.history.bytes + 10_000);
    const { control, history } = session;
    await control.run();
    const checkpoints = history.before(Number.POSITIVE_INFINITY);
    const here = present(session);
    await new NearPast(control, history).approach();
    expect(present(session)).toBe(here);
    expect(history.before(Number.POSITIVE_INFINITY)).toEqual(checkpoints);
  });
});

describe.runIf(requireTool("gcc"))("the past of threads is brought near", () => {
  it("on two processors, at several instants", async () => {
    const threads = path.join(folder, "threads");
    execFileSync("gcc", ["-O1", "-static", "-pthread", "-o", threads, path.join(import.meta.dirname, "threads.c")]);
    const session = await debuggee({ program: threads, cpu: { vendor: "intel", count: 2 } });
    const { control, history, target } = session;
    for (let stop = 1; stop <= 4; stop++) {
      await control.run({ icount: history.latest + 37_777 * stop });
      await bringsNear(session);
      await control.run({ icount: target.machine.icount + 1 });
    }
  });
});
