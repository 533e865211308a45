/** The oracle itself: sequences of random instructions through our processor and through the host's, compared step by step. */
import { Mnemonic } from "../../../src/emu/cpu/iced.ts";
import type { Insn } from "../../../src/emu/cpu/operation.ts";
import { UNIMPLEMENTED } from "../../../src/emu/cpu/ops/core.ts";
import { operationOf } from "../../../src/emu/cpu/ops/index.ts";
import { differences, type Ours } from "./compare.ts";
import { type Bits, formsFor } from "./forms.ts";
import { type Candidate, Generator, ipOf, isString } from "./generate.ts";
import { GPR_NAMES, Machine, SEGMENTS, trapFlag } from "./machine.ts";
import {
  CODE,
  CODE_SIZE,
  DATA,
  DATA_SIZE,
  FX_BYTES,
  type Native,
  type Register,
  type Registers,
  type Step,
  UPPER,
} from "./native.ts";
import { Random } from "./random.ts";

export interface Options {
  readonly bits: Bits;
  readonly instructions: number;
  readonly seed: number;
  readonly vendor: "intel" | "amd";
  /** Only these mnemonics (iced's names). */
  readonly only?: RegExp | undefined;
}

export interface Mismatch {
  readonly candidate: Candidate;
  readonly step: Step;
  readonly ours: Ours;
  readonly lines: readonly string[];
  /** Texts of the instructions before it in its sequence. */
  readonly before: readonly string[];
}

export interface Report {
  readonly compared: number;
  /** How often each mnemonic was compared. */
  readonly covered: ReadonlyMap<string, number>;
  readonly mismatches: readonly Mismatch[];
}

const SEQUENCE = 6;
const BATCH = 3000;

interface Planned {
  readonly candidate: Candidate;
  readonly step: Step;
  readonly ours: Ours;
  /** Index of the sequence, whose later steps do not count after a mismatch. */
  readonly sequence: number;
}

export function implemented(mnemonic: number): boolean {
  const probe = { mnemonic, code: 0, ops: [] } as unknown as Insn;
  return mnemonic !== Mnemonic.INVALID && operationOf(probe) !== UNIMPLEMENTED;
}

class Planner {
  private readonly random: Random;
  private readonly generator: Generator;
  private readonly machine: Machine;
  private readonly bits: Bits;
  readonly image: Uint8Array;

  constructor(options: Options) {
    this.random = new Random(options.seed * 4 + options.bits / 16);
    this.bits = options.bits;
    const forms = formsFor(options.bits, implemented).filter(
      (form) => !options.only || options.only.test(form.mnemonic),
    );
    if (forms.length === 0) throw new Error("no instruction form is left to try");
    this.generator = new Generator(this.random, options.bits, forms);
    this.machine = new Machine(options.bits, options.vendor);
    this.image = this.makeImage();
  }

  private makeImage(): Uint8Array {
    const image = new Uint8Array(DATA_SIZE);
    const view = new DataView(image.buffer);
    const { random } = this;
    for (let at = 0; at < DATA_SIZE; at += 8) {
      const kind = random.below(6);
      if (kind === 0) view.setBigUint64(at, random.double(), true);
      else if (kind === 1) view.setBigUint64(at, random.interesting64(), true);
      else if (kind === 2) {
        view.setInt32(at, random.single(), true);
        view.setInt32(at + 4, random.single(), true);
      } else if (kind === 3) view.setBigUint64(at, 0n, true);
      else view.setBigUint64(at, random.big64(), true);
    }
    return image;
  }

  private initialRegisters(): Registers {
    const { random, bits } = this;
    const registers = {} as Registers;
    for (const name of GPR_NAMES) registers[name] = BigInt.asUintN(bits === 64 ? 64 : 32, random.interesting64());
    if (bits !== 64) for (let i = 8; i < 16; i++) registers[`r${i}` as Register] = 0n;
    for (const [name, value] of Object.entries(SEGMENTS[bits])) registers[name as Register] = BigInt(value.selector);
    registers.eflags = BigInt(
      0x202 | (random.next() & 0x8d5) | (random.chance(0.3) ? 0x400 : 0) | (random.chance(0.02) ? 0x40000 : 0),
    );
    // Outside 64-bit mode ptrace wants to be told the bases that the selectors imply.
    registers.fs_base = BigInt(bits === 64 ? DATA + random.below(0x1000) : SEGMENTS[bits].fs.base);
    registers.gs_base = BigInt(bits === 64 ? DATA + random.below(0x1000) : SEGMENTS[bits].gs.base);
    registers.orig_rax = -1n;
    registers.rip = 0n;
    return registers;
  }

  private initialFx(): Uint8Array {
    const { random } = this;
    const fx = Buffer.allocUnsafe(FX_BYTES).fill(0);
    const view = new DataView(fx.buffer, fx.byteOffset, FX_BYTES);
    const easy = random.chance(0.6);
    view.setUint16(
      0,
      easy ? 0x37f : 0x40 | (random.next() & 0xf00) | (random.chance(0.8) ? 0x3f : random.next() & 0x3f),
      true,
    );
    view.setUint16(2, random.below(8) << 11, true);
    fx[4] = random.chance(0.5) ? 0xff : random.next() & 0xff;
    const mxcsr = easy
      ? 0x1f80 | (random.next() & 0x20)
      : (random.next() & 0xe07f) | (random.chance(0.8) ? 0x1f80 : random.next() & 0x1f80);
    view.setUint32(24, mxcsr, true);
    view.setUint32(28, 0xffff, true);
    for (let i = 0; i < 8; i++) {
      const { mant, signExponent } = random.extended();
      view.setBigUint64(32 + i * 16, mant, true);
      view.setUint16(40 + i * 16, random.chance(0.1) ? 0xffff : signExponent, true);
    }
    for (let i = 0; i < 16; i++) {
      const kind = random.below(3);
      for (const at of [160, 168, UPPER, UPPER + 8].map((base) => base + i * 16)) {
        if (kind === 0) view.setBigUint64(at, random.double(), true);
        else if (kind === 1) {
          view.setInt32(at, random.single(), true);
          view.setInt32(at + 4, random.single(), true);
        } else view.setBigUint64(at, random.interesting64(), true);
      }
    }
    return fx;
  }

  /** Indices of a gather become small, mostly. */
  private aimIndices({ insn }: Candidate, fx: Uint8Array): Uint8Array {
    const op = insn.ops[1];
    if (op?.kind !== "mem" || op.vindex === undefined || this.random.chance(0.1)) return fx;
    const aimed = Buffer.from(fx);
    const wide = Mnemonic[insn.mnemonic]!.includes("gatherq");
    for (let i = 0; i < 8; i++) {
      const at = (i < 4 ? 160 : UPPER - 16) + op.vindex * 16 + i * 4;
      const value = this.random.below(400) - 200;
      aimed.writeInt32LE(wide && i & 1 ? aimed.readInt32LE(at - 4) >> 31 : value, at);
    }
    this.machine.loadFx(aimed);
    return aimed;
  }

  /** One sequence: every step starts from our state after the step before, so a difference stays where it is made. */
  sequence(number: number): Planned[] {
    const planned: Planned[] = [];
    const { machine, random } = this;
    let registers = this.initialRegisters();
    registers.rsp = 0n;
    let fx = this.initialFx();
    machine.load(registers, fx, this.image);
    for (let i = 0; i < SEQUENCE; i++) {
      const offset = 0x20 + random.below(CODE_SIZE - 0x40);
      const candidate = this.generator.candidate(ipOf(this.bits, offset));
      const before = { ...registers };
      this.generator.aim(candidate, registers);
      fx = this.aimIndices(candidate, fx);
      for (const name of GPR_NAMES) if (registers[name] !== before[name]) machine.setGpr(name, registers[name]);
      registers.rip = BigInt(ipOf(this.bits, offset));
      const repeats = isString(candidate.insn) && (candidate.insn.rep || candidate.insn.repne);
      const step: Step = {
        code: candidate.bytes,
        address: CODE + offset,
        resetMemory: i === 0,
        // A gather that faults after its first element traps there, and faults when it goes on.
        repeats: repeats || candidate.insn.ops.some((op) => op.kind === "mem" && op.vindex !== undefined),
        registers,
        fx,
      };
      const stop = machine.step(candidate.bytes, offset, repeats);
      const ours: Ours = { stop, registers: machine.registers(), fx: machine.fx(), changes: machine.changes() };
      planned.push({ candidate, step, ours, sequence: number });
      if (stop || candidate.form.mnemonic.startsWith("Pushf") || trapFlag(ours.registers.eflags)) break;
      registers = { ...ours.registers };
      fx = ours.fx;
    }
    return planned;
  }
}

/** Runs the oracle; stops early at `limit` mismatches. */
export function lockstep(options: Options, native: Native, limit: number): Report {
  const planner = new Planner(options);
  const covered = new Map<string, number>();
  const mismatches: Mismatch[] = [];
  let compared = 0;
  let sequence = 0;
  while (compared < options.instructions && mismatches.length < limit) {
    const batch: Planned[] = [];
    while (batch.length < Math.min(BATCH, options.instructions - compared)) batch.push(...planner.sequence(sequence++));
    const outcomes = native.run(
      planner.image,
      batch.map((planned) => planned.step),
    );
    const broken = new Set<number>();
    batch.forEach((planned, i) => {
      if (broken.has(planned.sequence)) return;
      const lines = differences(planned.candidate, planned.ours, outcomes[i]!, options.bits === 64);
      const name = planned.candidate.form.mnemonic;
      covered.set(name, (covered.get(name) ?? 0) + 1);
      if (lines.length === 0) return;
      broken.add(planned.sequence);
      const before = batch
        .slice(0, i)
        .filter((other) => other.sequence === planned.sequence)
        .map((other) => other.candidate.text);
      mismatches.push({ candidate: planned.candidate, step: planned.step, ours: planned.ours, lines, before });
    });
    compared += batch.length;
  }
  return { compared, covered, mismatches };
}
