/**
 * Byte soup as code, in every mode and ring: builds the same machine once per tier, runs both for the same count and gives what
 * they ended as. Reproducible by seed. The second machine runs in random slices: they must not matter.
 */
import { EFLAGS, GPR, OFF, SEG } from "../../../src/emu/cpu/layout.ts";
import { type Fingerprint, fingerprint } from "./kit.ts";
import { AT, Bench, handler, type Mode, S, type Vendor } from "./system/kit.ts";

export const PLACES = [
  "real",
  "v8086",
  "16-bit ring 0",
  "16-bit ring 3",
  "32-bit ring 0",
  "32-bit ring 3",
  "compatibility ring 0",
  "compatibility ring 3",
  "64-bit ring 0",
  "64-bit ring 3",
] as const;
export type Place = (typeof PLACES)[number];

export interface Outcome extends Fingerprint {
  readonly stop: string;
  readonly count: bigint;
  readonly events: readonly string[];
}

/** xorshift32. */
export class Random {
  private state: number;
  constructor(seed: number) {
    this.state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 1;
  }
  next(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }
  below(n: number): number {
    return this.next() % n;
  }
  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** Beginnings that lead somewhere: privileged groups, string instructions, x87, SSE, branches, far transfers. */
const STARTS: readonly (readonly number[])[] = [
  [0x0f],
  [0x0f, 0x01],
  [0x0f, 0x00],
  [0x0f, 0x20],
  [0x0f, 0x21],
  [0x0f, 0x22],
  [0x0f, 0x23],
  [0x0f, 0x30],
  [0x0f, 0xae],
  [0x0f, 0xc7],
  [0x66, 0x0f],
  [0xf2, 0x0f],
  [0xf3, 0x0f],
  [0xf3, 0xa4],
  [0xf3, 0xab],
  [0xf2, 0xae],
  [0x48],
  [0x67],
  [0xf0],
  [0xd8],
  [0xdb],
  [0xdf],
  [0xc5],
  [0xc4],
  [0x8e],
  [0x9d],
  [0xcd],
  [0xcf],
  [0xe8],
  [0xeb],
  [0x75],
  [0xe2],
  [0xff],
  [0xf7],
  [0x89],
  [0x8b],
];

function soup(random: Random, length: number): number[] {
  const bytes: number[] = [];
  while (bytes.length < length) {
    if (random.below(3) === 0) bytes.push(...random.pick(STARTS));
    else if (random.below(4) === 0) bytes.push(0x40 + random.below(0x20));
    // Short jumps back make loops, which get hot.
    else if (random.below(6) === 0)
      bytes.push(random.pick([0x70, 0xeb, 0xe2]) + random.below(2), 0xf0 - random.below(60));
    else bytes.push(random.below(256));
  }
  return bytes.slice(0, length);
}

function modeOf(place: Place): Mode {
  if (place === "real") return "real";
  if (place === "v8086") return "v86";
  if (place.startsWith("64")) return "long";
  return place.startsWith("compat") ? "compat" : "protected";
}

/** Puts the bench into the place, RIP at the code. */
function enter(bench: Bench, place: Place): number {
  const mode = modeOf(place);
  const { cpu } = bench;
  const ring = place.endsWith("3") ? 3 : 0;
  if (mode === "real") {
    for (const seg of [SEG.CS, SEG.DS, SEG.SS] as const) bench.paragraph(seg, seg === SEG.SS ? 0x3000 : 0x2000, 0x93);
    cpu.setRip(0x100, 0);
    cpu.setGpr(GPR.RSP, 0x1000n);
  } else if (mode !== "v86") bench.atCpl(ring, mode);
  if (place.startsWith("16")) {
    bench.load(SEG.CS, ring === 3 ? S.CODE3_16 | 3 : S.CODE0_16);
    bench.load(SEG.SS, ring === 3 ? S.STACK3_16 | 3 : S.DATA0_16);
    // Their limit is 1 MiB: code and stack lie below 64 KiB for 16-bit offsets.
    cpu.setRip(0x6000, 0);
    cpu.setGpr(GPR.RSP, 0x7000n);
  }
  cpu.updateMode();
  return cpu.linearIp;
}

/** Vectors that push an error code outside real and v8086 mode. */
const WITH_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17, 21]);

/** A handler that returns to the byte after the one it came from, so that a fault is no end. */
function skippingHandler(place: Place, vector: number): number[] {
  // push bp / mov bp,sp / inc word [bp+2] / pop bp / iret
  if (place === "real") return [0x55, 0x89, 0xe5, 0xff, 0x46, 0x02, 0x5d, 0xcf];
  const code = WITH_ERROR_CODE.has(vector);
  const wide = place.startsWith("64") || place.startsWith("compat");
  // add rsp,8 / inc qword [rsp] / iretq; add esp,4 / inc dword [esp] / iret
  if (wide) return [...(code ? [0x48, 0x83, 0xc4, 8] : []), 0x48, 0xff, 0x04, 0x24, 0x48, 0xcf];
  return [...(code ? [0x83, 0xc4, 4] : []), 0xff, 0x04, 0x24, 0xcf];
}

function build(place: Place, vendor: Vendor, seed: number, hotAfter: number | undefined): Bench {
  const random = new Random(seed);
  const bench = new Bench(modeOf(place), vendor, hotAfter ? { tier1: true, hotAfter } : {});
  const start = enter(bench, place);
  const back = 200;
  // At its end the soup begins again: jmp.
  const code = [
    ...soup(random, back),
    ...(place.startsWith("16") || modeOf(place) === "real" || modeOf(place) === "v86"
      ? [0xe9, (-back - 3) & 0xff, 0xff]
      : [0xe9, (-back - 5) & 0xff, 0xff, 0xff, 0xff]),
  ];
  code.forEach((byte, i) => void bench.write(start + i, 1, byte));
  const { cpu } = bench;
  const real = place === "real";
  for (let v = 0; v < 48; v++) {
    const at = handler(v);
    if (real)
      bench.write(v * 4, 4, random.below(2) ? (0x2000 << 16) | (0x100 + random.below(200)) : 0x5000_0000 | (v * 16));
    const body = random.below(4) === 0 ? soup(random, 12) : skippingHandler(place, v);
    body.forEach((byte, i) => void bench.write(at + i, 1, byte));
  }
  for (let reg = 0; reg < 16; reg++) {
    if (reg === GPR.RSP) continue;
    const near = BigInt(AT.STACK3 + random.below(0x8000));
    cpu.setGpr(reg, random.below(3) === 0 ? (BigInt(random.next()) << 32n) | BigInt(random.next()) : near);
  }
  cpu.setGpr(GPR.RCX, BigInt(random.below(40)));
  const extra = random.pick([0, 0, 0, EFLAGS.TF, EFLAGS.DF, EFLAGS.AC, 3 << 12]);
  bench.setFlags(cpu.getFlags() | extra);
  if (random.below(4) === 0) {
    cpu.setAddr(OFF.DR, start + random.below(20));
    cpu.setAddr(OFF.DR + 8, AT.STACK3 + random.below(0x1000));
    cpu.set32(OFF.DR + 56, 0x400 | 0x0a | (0xd << 20));
    cpu.debugRegistersChanged();
  }
  return bench;
}

function outcome(bench: Bench, stop: string): Outcome {
  const events = bench.events.map((e) => `${e.kind} ${e.vector ?? ""} ${e.errorCode ?? ""} ${e.fromIp} ${e.toIp}`);
  return { stop, count: bench.cpu.icount, events, ...fingerprint(bench.cpu) };
}

/** Both tiers' ends after at most `count` instructions. */
export function runSoup(place: Place, seed: number, count: number): { cold: Outcome; hot: Outcome } {
  const vendor = seed & 1 ? "amd" : "intel";
  const cold = build(place, vendor, seed, undefined);
  const hot = build(place, vendor, seed, 3);
  const first = outcome(cold, cold.cpu.run(count).kind);
  const random = new Random(seed ^ 0x777);
  let stop = "budget";
  for (let left = count; left > 0 && stop === "budget"; ) {
    const slice = Math.min(left, 1 + random.below(300));
    stop = hot.cpu.run(slice).kind;
    left -= slice;
  }
  return { cold: first, hot: outcome(hot, stop) };
}
