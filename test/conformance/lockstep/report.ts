/** A difference as text: where it is, the instruction, both sides, the registers before it, and how to make it again. */
import type { Batch } from "./batch.ts";
import type { Mismatch } from "./compare.ts";
import { textOf } from "./entries.ts";
import { type Bits, CODE, RESULT, RESULT_WORDS, STATE_WORDS, STEP, STEP_WORDS, WORD } from "./layout.ts";

const NAMES = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15 rip".split(" ");
const word = (value: number): string => (value >>> 0).toString(16);
const pair = (words: Int32Array, at: number): string =>
  words[at + 1] === 0 ? word(words[at]!) : word(words[at + 1]!) + word(words[at]!).padStart(8, "0");

function describeState(words: Int32Array, at: number): string[] {
  const general = NAMES.map((name, i) => `${name}=${pair(words, at + i * 2)}`).join(" ");
  const [fcw, fsw, ftw, mxcsr] = [WORD.FCW, WORD.FSW, WORD.FTW, WORD.MXCSR].map((field) => word(words[at + field]!));
  const top = (words[at + WORD.FSW]! >> 11) & 7;
  const stack = Array.from({ length: 8 }, (_, i) => {
    const register = at + WORD.X87 + ((top + i) & 7) * 4;
    return `st${i}=${word(words[register + 2]!)}:${pair(words, register)}`;
  });
  const vectors = Array.from({ length: 16 }, (_, i) => {
    const register = at + WORD.YMM + i * 8;
    return `ymm${i}=${[6, 4, 2, 0].map((w) => pair(words, register + w)).join(":")}`;
  });
  return [
    `${general} eflags=${word(words[at + WORD.EFLAGS]!)}`,
    `fcw=${fcw} fsw=${fsw} ftw=${ftw} mxcsr=${mxcsr} ${stack.join(" ")}`,
    vectors.join(" "),
  ];
}

/** Words of the state that step `i` began with: what was loaded for it, else the result of the step before. */
function stateBefore(batch: Batch, i: number): [Int32Array, number] {
  const load = batch.steps[i * STEP_WORDS + STEP.LOAD]!;
  return load >= 0 ? [batch.loads, load * STATE_WORDS] : [batch.results, (i - 1) * RESULT_WORDS + RESULT.STATE];
}

function instruction(batch: Batch, i: number, bits: Bits): string {
  const ip = batch.ip(i);
  const offset = bits === 16 ? ip : ip - CODE;
  const bytes = batch.code.subarray(offset, offset + 15);
  const entry = batch.entries[i];
  const text = textOf(bytes, ip, bits);
  const length = entry?.insn.length ?? bytes.length;
  const hex = [...bytes.subarray(0, length)].map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return `${ip.toString(16)}: ${text}${entry ? `    [${hex}]` : "    (set-up)"}`;
}

export interface Origin {
  readonly bits: Bits;
  readonly seed: number;
  readonly vendor: string;
}

export function report(batch: Batch, { step, lines }: Mismatch, origin: Origin): string {
  const { bits, seed, vendor } = origin;
  const before: string[] = [];
  for (let i = batch.first[step]!; i < step; i++) before.push(`    ${instruction(batch, i, bits)}`);
  const [words, at] = stateBefore(batch, step);
  return [
    `${bits}-bit code, seed ${seed}, batch ${batch.number}, step ${step}`,
    `  ${instruction(batch, step, bits)}`,
    ...lines.map((line) => `    ${line}`),
    "  before it:",
    ...describeState(words, at).map((line) => `    ${line}`),
    "  after:",
    ...(before.length > 0 ? before : ["    nothing: it is the first of its sequence"]),
    `  again: npm run conformance:lockstep -- --cpu ${vendor} --bits ${bits} --seed ${seed} --batch ${batch.number}`,
  ].join("\n");
}
