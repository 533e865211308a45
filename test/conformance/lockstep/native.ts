/** The host's processor as an oracle: compiles native/tracer.c and exchanges batches of single instructions with it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export const CODE = 0x1000_0000;
export const CODE_SIZE = 0x10000;
export const DATA = 0x2000_0000;
export const DATA_SIZE = 0x10000;
export const READ_ONLY = 0x3000_0000;

/** `struct user_regs_struct`, in order. */
export const REGISTERS = [
  "r15",
  "r14",
  "r13",
  "r12",
  "rbp",
  "rbx",
  "r11",
  "r10",
  "r9",
  "r8",
  "rax",
  "rcx",
  "rdx",
  "rsi",
  "rdi",
  "orig_rax",
  "rip",
  "cs",
  "eflags",
  "rsp",
  "ss",
  "fs_base",
  "gs_base",
  "ds",
  "es",
  "fs",
  "gs",
] as const;
export type Register = (typeof REGISTERS)[number];
export type Registers = Record<Register, bigint>;

/** An FXSAVE64 image, then the upper halves of the YMM registers. */
export const FX_BYTES = 512 + 256;
export const UPPER = 512;
const RECORD_BYTES = 32 + REGISTERS.length * 8 + FX_BYTES;
const RESULT_BYTES = 24 + REGISTERS.length * 8 + FX_BYTES;

export interface Step {
  readonly code: Uint8Array;
  /** Linear address of the code bytes. */
  readonly address: number;
  readonly resetMemory: boolean;
  readonly repeats: boolean;
  readonly registers: Registers;
  /** FX_BYTES. */
  readonly fx: Uint8Array;
}

export interface Outcome {
  /** 0, or the signal that stopped the instruction. */
  readonly signal: number;
  readonly signalCode: number;
  readonly signalAddress: bigint;
  readonly registers: Registers;
  readonly fx: Uint8Array;
  /** Changed bytes: (offset << 8 | value). */
  readonly changes: readonly number[];
}

export class Native {
  private readonly directory = mkdtempSync(join(tmpdir(), "ringside-lockstep-"));
  private readonly program = join(this.directory, "tracer");

  constructor(source: string) {
    const gcc = spawnSync("gcc", ["-O2", "-o", this.program, source], { encoding: "utf8" });
    if (gcc.status !== 0) throw new Error(`gcc failed: ${gcc.stderr}`);
  }

  /** Runs steps one after the other from `image`, the initial contents of the data window. */
  run(image: Uint8Array, steps: readonly Step[]): Outcome[] {
    const input = Buffer.alloc(4 + DATA_SIZE + steps.length * RECORD_BYTES);
    input.writeUInt32LE(steps.length, 0);
    input.set(image, 4);
    for (const [i, step] of steps.entries()) writeRecord(input, 4 + DATA_SIZE + i * RECORD_BYTES, step);
    const result = spawnSync(this.program, { input, maxBuffer: 1 << 30 });
    if (result.status !== 0) throw new Error(`the tracer failed (${result.status ?? result.signal}): ${result.stderr}`);
    return readOutcomes(result.stdout, steps.length);
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function writeRecord(to: Buffer, at: number, step: Step): void {
  to.writeUInt32LE(step.code.length, at);
  to.writeUInt32LE((step.resetMemory ? 1 : 0) | (step.repeats ? 2 : 0), at + 4);
  to.writeBigUInt64LE(BigInt(step.address), at + 8);
  to.set(step.code, at + 16);
  for (const [i, name] of REGISTERS.entries()) {
    to.writeBigUInt64LE(BigInt.asUintN(64, step.registers[name]), at + 32 + i * 8);
  }
  to.set(step.fx, at + 32 + REGISTERS.length * 8);
}

function readOutcomes(from: Buffer, count: number): Outcome[] {
  const outcomes: Outcome[] = [];
  let at = 0;
  for (let i = 0; i < count; i++) {
    const registers = {} as Registers;
    REGISTERS.forEach((name, r) => {
      registers[name] = from.readBigUInt64LE(at + 16 + r * 8);
    });
    const fxAt = at + 16 + REGISTERS.length * 8;
    const n = from.readUInt32LE(fxAt + FX_BYTES);
    const changes: number[] = [];
    for (let c = 0; c < n; c++) changes.push(from.readUInt32LE(at + RESULT_BYTES + c * 4));
    outcomes.push({
      signal: from.readUInt32LE(at),
      signalCode: from.readUInt32LE(at + 4),
      signalAddress: from.readBigUInt64LE(at + 8),
      registers,
      fx: from.subarray(fxAt, fxAt + FX_BYTES),
      changes,
    });
    at += RESULT_BYTES + n * 4;
  }
  return outcomes;
}
