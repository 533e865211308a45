/**
 * Speed of the two tiers on the benchmark guests (sources in guests/, here as bytes, 64-bit): `npm run bench`. Feedback is polluted
 * on purpose: all guests run in one process, as the code of a real program would.
 */
import { bench, describe } from "vitest";
import { CODE, fromHex, TestMachine } from "../emu/cpu/kit.ts";

interface BenchGuest {
  readonly name: string;
  readonly code: string;
  /** Offset of the 32-bit iteration count, and instructions by iterations (up to the final system call). */
  readonly at: number;
  instructions(n: number): number;
  readonly cold: number;
  readonly hot: number;
}

const GUESTS: readonly BenchGuest[] = [
  {
    name: "alu",
    at: 1,
    instructions: (n) => 5 * n + 7,
    cold: 2_000_000,
    hot: 60_000_000,
    code: "b900000000b801000000bbb979371e4831d24801d84831c248c1c20548ffc975f14889d00fb6f8b83c0000000f05",
  },
  {
    name: "sieve",
    at: 1,
    instructions: (n) => 14_072_346 * n + 4,
    cold: 1,
    hot: 20,
    code: `bd00000000488d3df40f00004831c04831c94889040f4883c1084881f940420f0072efbb02000000803c1f0075204889d9480fafcb4881f940420f
      007310c6040f014801d94881f940420f0072f048ffc34881fbe903000072ce4831c0b902000000803c0f00750348ffc048ffc14881f940420f0072eb48ff
      cd75900fb6f8b83c0000000f05`,
  },
  {
    name: "crc",
    at: 88,
    instructions: (n) => 655_363 * n + 542_218,
    cold: 16,
    hot: 400,
    code: `488d3df90f000031c989c8bb0800000089c283e201f7da81e22083b8edd1e831d0ffcb75eb89048fffc181f90001000072d7488d35c713000031c9
      b83930000069c06d4ec641053930000089c2c1ea1088140effc181f90000010072e3b8ffffffffbd0000000031c90fb6140ee81a000000ffc181f90000
      010072edffcd75e7f7d00fb6f8b83c0000000f0531c20fb6d2c1e808330497c3`,
  },
];

function run(guest: BenchGuest, n: number, hotAfter: number | undefined): void {
  const machine = new TestMachine({ bits: 64, ram: 0x400000, ...(hotAfter ? { hotAfter } : {}) });
  const code = fromHex(guest.code);
  new DataView(code.buffer).setUint32(guest.at, n, true);
  machine.load(code, CODE);
  const count = guest.instructions(n);
  const start = performance.now();
  const stop = machine.run(count);
  const mips = count / (performance.now() - start) / 1000;
  if (stop.kind !== "budget" || Number(machine.cpu.icount) !== count) throw new Error(`${guest.name} went astray`);
  console.log(`${guest.name} tier ${hotAfter ? 1 : 0}: ${mips.toFixed(0)} MIPS`);
}

const options = { iterations: 3, time: 0, warmupIterations: 1, warmupTime: 0 };
describe("tiers", () => {
  for (const guest of GUESTS) {
    bench(`${guest.name}, tier 0`, () => run(guest, guest.cold, undefined), options);
    bench(`${guest.name}, tier 1`, () => run(guest, guest.hot, 2000), options);
  }
});
