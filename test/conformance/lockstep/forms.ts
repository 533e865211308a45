/** Instruction forms to try: iced's table less what needs a kernel, what is not the program's to know, and what is not built yet. */
import {
  Code,
  CodeExt,
  EncodingKind,
  MandatoryPrefix,
  Mnemonic,
  OpCodeOperandKind,
  OpCodeTableKind,
} from "../../../src/emu/cpu/iced.ts";
import type { Bits } from "./layout.ts";

export interface Form {
  readonly code: number;
  readonly mnemonic: string;
  /** A VEX encoding: opcode map, W, L and pp fields. Undefined where any will do. */
  readonly vex:
    | { readonly map: number; readonly w: number | undefined; readonly l: number | undefined; readonly pp: number }
    | undefined;
  /** Mandatory prefix byte, if any. */
  readonly prefix: number | undefined;
  /** Escape and opcode bytes. */
  readonly opcode: readonly number[];
  readonly group: number;
  /** The low three bits of the opcode name a register. */
  readonly lowRegister: boolean;
}

/** Left out, and why. Mnemonics of iced. */
export const EXCLUDED: Readonly<Record<string, string>> = {
  "Syscall Sysenter": "enter the host's kernel",
  Int1: "a debug exception, like the tracer's own",
  "Iret Iretd Iretq Retf Sysret Sysexit Sysretq Sysexitq": "return to other segments of the host",
  Lss: "the debug trap after it comes an instruction later",
  "Sgdt Sidt Sldt Str Smsw": "answered by the host's kernel under UMIP",
  "Rdtsc Rdtscp Rdpmc Rdpid Cpuid Rdrand Rdseed Xgetbv": "values of the host",
  "Monitor Monitorx Mwait Mwaitx Umonitor Umwait Tpause": "waiting",
  "Xbegin Xend Xabort Xtest": "transactions",
  "Ptwrite Serialize Clwb Clflush Clflushopt Cldemote Clzero Rdpkru Wrpkru": "depend on the host's model",
  "Jmpe Ud0 Ud1 Loadall Montmul Umov Ibts Xbts": "other processors",
  "Xsave Xsave64 Xsaveopt Xsaveopt64 Xsavec Xsavec64 Xrstor Xrstor64":
    "hosts have other state components, and which of them are in their initial state is for the processor to track",
};
const excluded = new Set(Object.keys(EXCLUDED).flatMap((names) => names.split(" ")));

const PREFIXES: Readonly<Record<number, number | undefined>> = {
  [MandatoryPrefix.P66]: 0x66,
  [MandatoryPrefix.PF3]: 0xf3,
  [MandatoryPrefix.PF2]: 0xf2,
};
const ESCAPES: Readonly<Record<number, readonly number[] | undefined>> = {
  [OpCodeTableKind.Normal]: [],
  [OpCodeTableKind.T0F]: [0x0f],
  [OpCodeTableKind.T0F38]: [0x0f, 0x38],
  [OpCodeTableKind.T0F3A]: [0x0f, 0x3a],
};

function available(info: ReturnType<typeof CodeExt.opCode>, bits: Bits): boolean {
  if (bits === 64 ? !info.mode64 : bits === 32 ? !info.mode32 : !info.mode16) return false;
  return info.intelDecoder64 || info.intelDecoder32 || info.intelDecoder16;
}

const PP: Readonly<Record<number, number>> = {
  [MandatoryPrefix.P66]: 1,
  [MandatoryPrefix.PF3]: 2,
  [MandatoryPrefix.PF2]: 3,
};
/** 256-bit forms that hosts may have and we do not (VAES, VPCLMULQDQ). */
const ABSENT = /^Vaes|^Vpclmulqdq/;

const vexOf = (info: ReturnType<typeof CodeExt.opCode>) => ({
  map: ESCAPES[info.table]!.length === 1 ? 1 : ESCAPES[info.table]![1] === 0x38 ? 2 : 3,
  w: info.isWIG || info.isWIG32 ? undefined : info.W,
  l: info.isLIG ? undefined : info.L,
  pp: PP[info.mandatoryPrefix] ?? 0,
});

function hasLowRegister(info: ReturnType<typeof CodeExt.opCode>): boolean {
  for (let i = 0; i < info.opCount; i++) if (/Opcode/i.test(OpCodeOperandKind[info.opKind(i)]!)) return true;
  return false;
}

/** All forms of a mode whose mnemonic `accepts`. */
export function formsFor(bits: Bits, accepts: (mnemonic: number) => boolean): Form[] {
  const forms: Form[] = [];
  for (let code = 1; Code[code] !== undefined; code++) {
    if (code >= Code.DeclareByte && code <= Code.DeclareQword) continue;
    const info = CodeExt.opCode(code);
    const escapes = ESCAPES[info.table];
    const mnemonic = Mnemonic[info.mnemonic]!;
    if (
      (info.encoding === EncodingKind.Legacy || info.encoding === EncodingKind.VEX) &&
      escapes &&
      available(info, bits) &&
      accepts(info.mnemonic) &&
      !excluded.has(mnemonic) &&
      !(info.L === 1 && ABSENT.test(mnemonic))
    ) {
      const value = info.opCode;
      const opcode = info.opCodeLength === 2 ? [...escapes, value >> 8, value & 0xff] : [...escapes, value];
      forms.push({
        code,
        mnemonic,
        vex: info.encoding === EncodingKind.VEX ? vexOf(info) : undefined,
        prefix: PREFIXES[info.mandatoryPrefix],
        opcode,
        group: info.groupIndex,
        lowRegister: hasLowRegister(info),
      });
    }
  }
  return forms;
}
