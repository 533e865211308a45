/** This host's processor as an oracle for single instructions: compiles runner.c and exchanges records with it. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

export type UserMode = 64 | 32 | 16;

/** Pages that a record's program has; in 16-bit mode they are the segments' starts. Around them nothing is mapped. */
export const CODE_PAGE = 0x20000;
export const DATA_PAGE = 0x40000;
export const PAGE_BYTES = 0x1000;

/** What a user program can see of the processor, and its page of data. */
export interface UserState {
  /** In encoding order. */
  readonly gprs: BigUint64Array;
  /** Offset in the code segment. */
  rip: bigint;
  flags: number;
  /** An FXSAVE64 image, and the upper halves of the YMM registers. */
  readonly fx: Buffer;
  readonly upper: Buffer;
  readonly data: Buffer;
}

export interface NativeStep {
  readonly mode: UserMode;
  readonly code: Uint8Array;
  readonly state: UserState;
  /** Bases of FS and GS, whose selectors are null; 0 if not given. */
  readonly bases?: readonly [bigint, bigint];
}

export interface NativeOutcome {
  /** The exception, or BREAKPOINT where control went to. */
  readonly vector: number;
  readonly errorCode: number;
  readonly cr2: bigint;
  readonly state: UserState;
  /** ES CS SS DS FS GS. */
  readonly selectors: readonly number[];
  /** Of FS and GS. */
  readonly bases: readonly [bigint, bigint];
}

export const BREAKPOINT = 3;

const AT = {
  RIP: 24,
  FLAGS: 32,
  GPRS: 40,
  BASES: 168,
  SELECTORS: 184,
  CODE: 200,
  FX: 216,
  UPPER: 728,
  DATA: 984,
} as const;
const RECORD_BYTES = AT.DATA + PAGE_BYTES;

export const copyState = (state: UserState): UserState => ({
  gprs: state.gprs.slice(),
  rip: state.rip,
  flags: state.flags,
  fx: Buffer.from(state.fx),
  upper: Buffer.from(state.upper),
  data: Buffer.from(state.data),
});

export class Host {
  private readonly directory = mkdtempSync(path.join(tmpdir(), "ringside-host-"));
  private readonly program = path.join(this.directory, "runner");

  /** `source`: the path of runner.c. */
  constructor(source: string) {
    const gcc = spawnSync("gcc", ["-O1", "-fno-stack-protector", "-o", this.program, source], {
      encoding: "utf8",
    });
    if (gcc.status !== 0) throw new Error(`gcc failed: ${gcc.stderr}`);
  }

  run(steps: readonly NativeStep[]): NativeOutcome[] {
    const input = Buffer.alloc(steps.length * RECORD_BYTES);
    for (const [i, step] of steps.entries()) writeRecord(input.subarray(i * RECORD_BYTES), step);
    const result = spawnSync(this.program, { input, maxBuffer: 1 << 30 });
    if (result.status !== 0 || result.stdout.length !== input.length) {
      const step = steps[Math.floor(result.stdout.length / RECORD_BYTES)];
      const code = step ? Buffer.from(step.code).toString("hex") : "";
      throw new Error(`the runner failed (${result.status ?? result.signal}) near ${code}: ${result.stderr}`);
    }
    return steps.map((_, i) => readRecord(result.stdout.subarray(i * RECORD_BYTES, (i + 1) * RECORD_BYTES)));
  }

  close(): void {
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function writeRecord(to: Buffer, { mode, code, state, bases = [0n, 0n] }: NativeStep): void {
  to.writeUInt32LE(mode, 0);
  to.writeUInt32LE(code.length, 4);
  to.writeBigUInt64LE(state.rip, AT.RIP);
  to.writeBigUInt64LE(BigInt(state.flags >>> 0), AT.FLAGS);
  state.gprs.forEach((value, i) => void to.writeBigUInt64LE(value, AT.GPRS + i * 8));
  bases.forEach((base, i) => void to.writeBigUInt64LE(base, AT.BASES + i * 8));
  to.set(code, AT.CODE);
  to.set(state.fx, AT.FX);
  to.set(state.upper, AT.UPPER);
  to.set(state.data, AT.DATA);
}

const readRecord = (from: Buffer): NativeOutcome => ({
  vector: from.readUInt32LE(8),
  errorCode: from.readUInt32LE(12),
  cr2: from.readBigUInt64LE(16),
  state: {
    rip: from.readBigUInt64LE(AT.RIP),
    flags: from.readUInt32LE(AT.FLAGS),
    gprs: BigUint64Array.from({ length: 16 }, (_, i) => from.readBigUInt64LE(AT.GPRS + i * 8)),
    fx: from.subarray(AT.FX, AT.UPPER),
    upper: from.subarray(AT.UPPER, AT.DATA),
    data: from.subarray(AT.DATA),
  },
  selectors: [0, 1, 2, 3, 4, 5].map((i) => from.readUInt16LE(AT.SELECTORS + i * 2)),
  bases: [from.readBigUInt64LE(AT.BASES), from.readBigUInt64LE(AT.BASES + 8)],
});
