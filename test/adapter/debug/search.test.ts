/** Searches of the past: the last of many hits is found without meeting them all, and nothing is lost between two stretches. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { type LastWrite, lastChange, lastWriter } from "../../../src/adapter/debug/last-writer.ts";
import { registerReference } from "../../../src/adapter/debug/registers.ts";
import { goToInstruction, reverseContinue } from "../../../src/adapter/debug/reverse.ts";
import { debuggee } from "./debuggee.ts";

const folder = mkdtempSync(path.join(tmpdir(), "ringside-search-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** A loop that is short and runs long, and a long stretch in which nothing is looked for. */
const HOT = 200_000;
const QUIET = 3_000_000;
const program = path.join(folder, "hot.asm");
writeFileSync(
  program,
  `bits 64
   section .text
   global _start
_start: mov dword [count], 0    ; no page fault later
        mov ecx, ${HOT}
hot:    mov [count], ecx
        dec ecx
        jnz hot
cold:   mov edx, ${QUIET}
quiet:  dec edx
        jnz quiet
        mov eax, 39
        syscall
end:    jmp end
   section .bss
count:  resq 1
`,
);

async function started() {
  const session = await debuggee({ program });
  const { control, target, breakpoints } = session;
  await control.runToUser();
  const address = (label: string) => target.symbols(control.cpu).address(label)!;
  const hot = breakpoints.make("instruction", [address("hot")], {});
  const register = (number: number) => Number(control.cpu.gpr(number));
  return {
    ...session,
    address,
    /** What the loop's counter says: HOT in the first round, 1 in the last. */
    count: () => register(1),
    /** Runs to where a label is come by with that value in EDX or ECX. */
    runTo: (label: string, value: number) =>
      control.run({ addresses: [address(label)], reached: () => register(label === "hot" ? 1 : 2) === value }),
    arm: () => breakpoints.replace("instruction", [hot]),
    /** Judges differently; what is returned tells how often that was done. */
    judge(by: (judged: typeof breakpoints.wouldStop) => typeof breakpoints.wouldStop) {
      const judging = by(breakpoints.wouldStop.bind(breakpoints));
      let count = 0;
      breakpoints.wouldStop = (...args) => {
        count++;
        return judging(...args);
      };
      return () => count;
    },
  };
}

describe("reverse continue to a hot breakpoint", () => {
  it.each([
    ["in the loop", "hot", HOT / 2, HOT / 2 + 1],
    ["in the last round", "hot", 1, 2],
    ["just behind the loop", "quiet", QUIET, 1],
    ["far behind it", "end", 0, 1],
  ])("finds the last hit from %s, and judges few", async (_, label, value, expected) => {
    const session = await started();
    const { control, history } = session;
    await session.runTo(label, value);
    session.arm();
    const judged = session.judge((as) => as);
    for (const count of [expected, expected + 1]) {
      expect(await reverseContinue(control, history)).toMatchObject({ reason: "breakpoint" });
      expect(control.cpu.linearIp).toBe(session.address("hot"));
      expect(session.count()).toBe(count);
    }
    expect(judged()).toBeGreaterThan(0);
    expect(judged()).toBeLessThan(HOT / 10);
  });

  it.each([1, 2, HOT / 2 + 1, HOT - 250, HOT])("finds the only one that counts: at count %i", async (count) => {
    const session = await started();
    await session.runTo("end", 0);
    session.arm();
    session.judge(
      (as) =>
        (...args) =>
          session.count() === count ? as(...args) : undefined,
    );
    expect(await reverseContinue(session.control, session.history)).toMatchObject({ reason: "breakpoint" });
    expect(session.count()).toBe(count);
  });

  it("comes to the program's beginning where nothing counts", async () => {
    const session = await started();
    const first = session.target.machine.icount;
    await session.runTo("hot", 1);
    session.arm();
    const judged = session.judge(() => () => undefined);
    expect(await reverseContinue(session.control, session.history)).toEqual({ reason: "entry", boundary: "program" });
    expect(session.target.machine.icount).toBe(first);
    expect(judged()).toBeGreaterThanOrEqual(HOT - 1);
  });

  it("is paused on the way, and back where it was", async () => {
    const session = await started();
    const { control, history } = session;
    await session.runTo("hot", 1);
    const state = session.state();
    session.arm();
    session.judge(() => () => {
      control.pause();
      return undefined;
    });
    control.begin();
    expect(await reverseContinue(control, history)).toEqual({ reason: "pause" });
    expect(session.state()).toBe(state);
  });
});

describe("who last wrote", () => {
  it("is asked of the last of many writes", async () => {
    const session = await started();
    const { control, history, target } = session;
    await session.runTo("end", 0);
    const [here, state] = [target.machine.icount, session.state()];
    const place = { address: session.address("count"), bytes: 4, mask: 0xffff_ffffn };
    const written = await lastWriter(control, history, place);
    expect(written).toMatchObject({ change: "0x2 -> 0x1", by: expect.stringContaining("hot") });
    expect(target.machine.icount).toBe(here);
    expect(session.state()).toBe(state);
    await goToInstruction(control, history, (written as LastWrite).icount);
    expect([control.cpu.linearIp, session.count()]).toEqual([session.address("hot"), 1]);
  });
});

describe("who last changed a register", () => {
  it("tells all the time how far it has looked", async () => {
    const session = await started();
    const { control, history, target } = session;
    await session.runTo("hot", HOT - 20_000);
    const { icount } = target.machine;
    const parts = [0];
    control.onProgress = (part) => void parts.push(part);
    expect(await lastChange(control, history, control.cpu, registerReference(control.cpu, "r15")!)).toBeUndefined();
    expect(target.machine.icount).toBe(icount);
    const gaps = parts.slice(1).map((part, i) => part - parts[i]!);
    expect(Math.min(...gaps)).toBeGreaterThan(0);
    expect(Math.max(...gaps) * icount).toBeLessThan(3000);
    expect(parts.at(-1)).toBe(1);
  });
});

describe("between two stretches", () => {
  it("an event that a checkpoint lies at is found", async () => {
    const { control, history, target } = await started();
    control.setEventFilter((event) => (event.type === "syscall-enter" ? "system calls" : undefined));
    expect(await control.run()).toMatchObject({ reason: "exception" });
    const at = target.machine.icount;
    history.changed();
    await control.run({ icount: at + 100_000 });
    expect(await reverseContinue(control, history)).toMatchObject({ reason: "exception", filter: "system calls" });
    expect(target.machine.icount).toBe(at);
  });
});
