/**
 * Experiment: two tiers from one body. The same guests run through tier 0 (closures) and tier 1 (WebAssembly regions) and stop in
 * the same state, to the bit: at every instruction count, and with a fault injected at every single memory access.
 */
import { describe, expect, it } from "vitest";
import { Fault, VECTOR } from "../../src/emu/cpu/fault.ts";
import { OFF } from "../../src/emu/cpu/layout.ts";
import { ACCESS } from "../../src/emu/cpu/paging.ts";
import type { TestMachine } from "../emu/cpu/kit.ts";
import { GUESTS, type Guest, restart, setStack16, start } from "./guests.ts";

const HOT = 3;

/** Makes the `nth` data access fault (0 = none) and counts them. All accesses are forced through the slow path by watching all bytes. */
class Injector {
  count = 0;
  nth = 0;
  constructor({ cpu, core }: TestMachine) {
    cpu.setWatchpoints([{ start: 0, length: core.ramSize, read: true, write: true }]);
    cpu.watches.note = () => false;
    const original = cpu.translateHalves.bind(cpu);
    cpu.translateHalves = (low, high, access) => {
      if (!(access & ACCESS.EXEC) && ++this.count === this.nth) {
        throw new Fault(VECTOR.PF, access & 7, "injected", low, high);
      }
      return original(low, high, access);
    };
  }
}

const clearRam = (machine: TestMachine): void => {
  const { core } = machine;
  core.u8.fill(0, core.ramBase + 0x20000, core.ramBase + 0x40000);
};

function ran(guest: Guest, machine: TestMachine, instructions: number) {
  restart(guest, machine);
  clearRam(machine);
  const stop = machine.run(instructions);
  return { stop: stop.kind, icount: machine.cpu.icount, ...machine.fingerprint() };
}

describe.each(GUESTS)("$name", (guest) => {
  it("gives equal states at every instruction count", () => {
    const cold = start(guest);
    const hot = start(guest, { hotAfter: HOT });
    for (let n = 0; n <= guest.instructions; n += n < 150 ? 1 : 41)
      expect(ran(guest, hot, n), `after ${n}`).toEqual(ran(guest, cold, n));
  });

  it("gives equal states after a fault at every memory access, and after going on from there", () => {
    const cold = start(guest);
    const hot = start(guest, { hotAfter: HOT });
    const inCold = new Injector(cold);
    const inHot = new Injector(hot);
    const whole = ran(guest, cold, guest.instructions);
    const accesses = inCold.count;
    expect(ran(guest, hot, guest.instructions)).toEqual(whole);
    expect(inHot.count).toBe(accesses);
    for (let k = 1; k <= accesses; k++) {
      for (const injector of [inCold, inHot]) Object.assign(injector, { nth: k, count: 0 });
      const expected = ran(guest, cold, guest.instructions);
      expect(ran(guest, hot, guest.instructions), `fault at access ${k}`).toEqual(expected);
      // There is no handler, so the fault shut the processor down at the instruction; waking it there must lead to the same end.
      expect(expected.stop).toBe("shutdown");
      for (const { cpu } of [cold, hot]) {
        cpu.set32(OFF.ACTIVITY, 0);
        cpu.set64(OFF.CR2, 0n);
        cpu.run(guest.instructions - Number(cpu.icount));
      }
      expect(hot.fingerprint()).toEqual(cold.fingerprint());
      expect(cold.fingerprint().memory).toBe(whole.memory);
    }
  });
});

it("raises #SS in the same state at every limit of a 16-bit stack segment", () => {
  const guest = GUESTS[2]!;
  for (let limit = 0x380; limit <= 0x400; limit += 3) {
    const limited: Guest = { ...guest, prepare: (machine) => setStack16(machine, limit) };
    const [cold, hot] = [start(limited), start(limited, { hotAfter: HOT })];
    expect(ran(limited, hot, guest.instructions), `limit ${limit}`).toEqual(ran(limited, cold, guest.instructions));
  }
});

it("keeps ESP[31:16] on a 16-bit stack", () => {
  const guest = GUESTS[2]!;
  const machine = start(guest, { hotAfter: HOT });
  ran(guest, machine, guest.instructions);
  expect(machine.get("RSP") >> 16n).toBe(0xdeadn);
});

it("does run the compiled tier", () => {
  const guest = GUESTS[1]!;
  const machine = start(guest, { hotAfter: HOT });
  let entered = 0;
  const cpu = machine.cpu as unknown as { enter(...args: unknown[]): unknown };
  const original = cpu.enter.bind(cpu);
  cpu.enter = (...args) => {
    entered++;
    return original(...args);
  };
  machine.run(guest.instructions);
  expect(entered).toBeGreaterThan(0);
});
