/** History is bounded by its memory: checkpoints thin out, what is left is still right, and what is lost is said. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { goToInstruction, stepBack } from "../../../src/adapter/debug/reverse.ts";
import { SeededRandom } from "../../../src/emu/machine/random.ts";
import { debuggee } from "./debuggee.ts";

const MEBIBYTE = 1 << 20;
const RUN = 50_000_000;
const INSTANTS = 25;

const folder = mkdtempSync(path.join(tmpdir(), "ringside-history-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Writes a counter into every page of `kilobytes` again and again. `contents`: what the pages hold before. */
function dirtying(name: string, kilobytes: number, contents: "nothing" | "data") {
  const pages = kilobytes / 4;
  const room =
    contents === "data"
      ? `section .data\n align 4096\nroom: times ${pages * 512} dq 7`
      : `section .bss\n alignb 4096\nroom: resb ${kilobytes * 1024}`;
  const program = path.join(folder, `${name}.asm`);
  writeFileSync(
    program,
    `bits 64
     section .text
     global _start
_start: lea rdi, [room]
     xor eax, eax
round: xor ecx, ecx
page: mov [rdi + rcx], rax
     inc rax
     mov edx, 100
spend: dec edx
     jnz spend
     add rcx, 4096
     cmp rcx, ${pages * 4096}
     jb page
     jmp round
     ${room}
`,
  );
  return program;
}

/** Each instant has a checkpoint of its own, as after a change by hand, whatever others the host's speed gives occasion for. */
async function statesOnTheWay(session: Awaited<ReturnType<typeof debuggee>>, seed: number) {
  const { control, target, history, state } = session;
  const random = new SeededRandom("history", seed);
  const begin = target.machine.icount;
  const instants = Array.from({ length: INSTANTS }, () => begin + 1 + random.below(RUN)).sort((a, b) => a - b);
  const states = new Map<number, string>();
  let most = 0;
  for (const icount of instants) {
    await control.run({ icount });
    states.set(icount, state());
    history.changed();
    most = Math.max(most, history.bytes);
  }
  return { states, most };
}

describe("history over its budget", () => {
  it("thins out, and all of the past is still right", async () => {
    const budget = 6 * MEBIBYTE;
    const session = await debuggee({ program: dirtying("thin", 1024, "nothing") }, budget);
    const { control, history } = session;
    const { start } = history;
    const { states, most } = await statesOnTheWay(session, 1);
    expect(most).toBeLessThanOrEqual(budget);
    expect(history.start).toBe(start);
    // unbounded it would hold a mebibyte for each of the instants
    expect(history.before(Number.POSITIVE_INFINITY).length).toBeLessThan(8);
    for (const [icount, state] of [...states].reverse()) {
      await goToInstruction(control, history, icount);
      expect(session.state()).toBe(state);
      expect(history.bytes).toBeLessThanOrEqual(budget);
    }
  });

  it("loses its beginning where nothing else can go, and says so", async () => {
    const budget = 6 * MEBIBYTE;
    const session = await debuggee({ program: dirtying("begin", 4096, "data") }, budget);
    const { control, history } = session;
    const begin = history.start;
    const lost: number[] = [];
    history.onLost = (start) => lost.push(start);
    const { states, most } = await statesOnTheWay(session, 2);
    expect(most).toBeLessThanOrEqual(budget);
    expect(lost.at(-1)).toBe(history.start);
    expect(history.start).toBeGreaterThan(begin);
    for (const [icount, state] of [...states].reverse()) {
      await goToInstruction(control, history, icount);
      expect(control.target.machine.icount).toBe(Math.max(icount, history.start));
      if (icount >= history.start) expect(session.state()).toBe(state);
    }
  });

  it("keeps nothing where not even one checkpoint fits, and the program goes on", async () => {
    const session = await debuggee({ program: dirtying("none", 4096, "nothing") }, 2 * MEBIBYTE);
    const { control, history, target } = session;
    const { most } = await statesOnTheWay(session, 3);
    expect(most).toBeLessThanOrEqual(2 * MEBIBYTE);
    expect(history.start).toBe(target.machine.icount);
    expect(await stepBack(control, history, { granularity: "instruction", intoKernel: false, thread: 1 })).toBe(
      undefined,
    );
    const here = session.state();
    await goToInstruction(control, history, 5);
    expect(session.state()).toBe(here);
  });
});
