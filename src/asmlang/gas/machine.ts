/** What the source says of the processor and of how strictly to judge: `.arch`, `.sse_check`, `.operand_check`, `.intel_mnemonic`. */
import { SourceError } from "../core/diagnostics.ts";
import type { Statement } from "../core/instruction.ts";
import { type Span, wholeLine } from "../core/source.ts";
import { regInfo } from "../encode/registers.ts";
import type { EncodeRequest, Encoding } from "../encode/types.ts";
import type { Cursor } from "./cursor.ts";
import type { Directive } from "./directives.ts";

const CORES = new Set(
  (
    "default generic32 generic64 i8086 i186 i286 i386 i486 i586 i686 pentium pentiumpro pentiumii pentiumiii pentium4 " +
    "prescott nocona core core2 corei7 iamcu k6 k6_2 athlon opteron k8 amdfam10 bdver1 bdver2 bdver3 bdver4 znver1 znver2 " +
    "znver3 znver4 btver1 btver2"
  ).split(" "),
);

const EXTENSIONS = new Set(
  (
    "8087 287 387 687 cmov fxsr mmx sse sse2 sse3 sse4a ssse3 sse4.1 sse4.2 sse4 avx avx2 avx512f avx512cd avx512er " +
    "avx512pf avx512dq avx512bw avx512vl vmx vmfunc smx xsave xsaveopt xsavec xsaves aes pclmul fsgsbase rdrnd f16c bmi2 " +
    "fma fma4 xop lwp movbe cx16 ept lzcnt popcnt hle rtm tsx invpcid clflush nop syscall rdtscp 3dnow 3dnowa padlock svme " +
    "pacifica abm bmi tbm adx rdseed prfchw smap mpx sha clflushopt prefetchwt1 se1 clwb avx512ifma avx512vbmi " +
    "avx512_4fmaps avx512_4vnniw avx512_vpopcntdq avx512_vbmi2 avx512_vnni avx512_bitalg avx_vnni clzero mwaitx ospke " +
    "rdpid ptwrite ibt shstk gfni vaes vpclmulqdq wbnoinvd pconfig waitpkg cldemote amx_int8 amx_bf16 amx_fp16 amx_tile " +
    "movdiri movdir64b avx512_bf16 avx512_vp2intersect tdx enqcmd serialize rdpru mcommit sev_es tsxldtrk kl widekl " +
    "uintr hreset avx512_fp16 prefetchi avx_ifma avx_vnni_int8 cmpccxadd wrmsrns msrlist avx_ne_convert rao_int rmpquery"
  ).split(" "),
);

/** 32-bit processors whose code is padded as in 64-bit code, by NOP with a ModRM. */
const LONG_NOPS =
  /^(pentium(pro|i+|4)|prescott|nocona|core2?|corei7|athlon|opteron|k8|amdfam10|bdver\d|znver\d|btver\d|generic64)(\.|$)/;

type Check = "none" | "warning" | "error";
const STRICTNESS: Readonly<Record<Check, number>> = { none: 0, warning: 1, error: 2 };

/** An instruction of SSE that is not written with VEX or EVEX. */
const isSse = ({ mnemonic, operands }: EncodeRequest): boolean =>
  !mnemonic.startsWith("v") &&
  operands.some((operand) => operand.kind === "reg" && regInfo(operand.reg)?.class === "xmm");

const GUESSED = "no instruction mnemonic suffix";

export class Machine {
  /** `.intel_mnemonic`: FSUB and FSUBR mean in AT&T syntax what the manuals say. */
  intelMnemonics = false;
  sseCheck: Check = "none";
  operandCheck: Check = "warning";
  readonly #saved: string[] = [];
  #current = "";

  /** What statements mean depends on this, five bits; 0: nothing unusual. */
  get state(): number {
    return Number(this.intelMnemonics) | (STRICTNESS[this.sseCheck] << 1) | ((STRICTNESS[this.operandCheck] ^ 1) << 3);
  }

  /** Does padding code of this class use NOP with a ModRM? */
  longNops(bits: 32 | 64): boolean {
    const said = /\.(no)?nop(?!.*\.(no)?nop)/.exec(this.#current);
    return said ? said[1] === undefined : bits === 64 || LONG_NOPS.test(this.#current);
  }

  /** The encoding with the warnings that are wanted. */
  judged(encoding: Encoding, { request, mnemonic, spans }: Statement): Encoding {
    if (this.state === 0) return encoding;
    let { warnings } = encoding;
    if (this.sseCheck !== "none" && isSse(request)) {
      const message = `SSE instruction "${request.mnemonic}" is used`;
      if (this.sseCheck === "error") throw new SourceError(mnemonic, message);
      warnings = [...warnings, message];
    }
    const guessed = warnings.find((text) => text.startsWith(GUESSED));
    if (guessed === undefined || this.operandCheck === "warning") return { ...encoding, warnings };
    if (this.operandCheck === "error")
      throw new SourceError(spans[0] ?? mnemonic, `${GUESSED} given and no register operands: the size is unknown`);
    return { ...encoding, warnings: warnings.filter((text) => text !== guessed) };
  }

  select(name: string, span: Span): void {
    if (name === "push") this.#saved.push(this.#current);
    else if (name === "pop") {
      const last = this.#saved.pop();
      if (last === undefined) throw new SourceError(span, "'.arch pop' without '.arch push'");
      this.#current = last;
    } else if (!isArchitecture(name)) throw new SourceError(span, `there is no architecture '${name}'`);
    else this.#current = name.startsWith(".") ? this.#current + name : name;
  }
}

function isArchitecture(name: string): boolean {
  if (!name.startsWith(".")) return CORES.has(name);
  const extension = name.slice(1);
  return EXTENSIONS.has(extension) || extension === "no87" || EXTENSIONS.has(extension.replace(/^no/, ""));
}

/** `.arch name[, jumps | nojumps]`: which names there are; all instructions are taken whatever the name. */
const arch: Directive = ({ machine }, cursor) => {
  const start = cursor.skipSpace().at;
  const name = cursor.match(/[.\w]+/y);
  if (name === undefined) throw cursor.error("expected the name of an architecture");
  const extension = name.startsWith(".");
  machine.select(name, cursor.span(start));
  if (extension || name === "push" || name === "pop" || name === "default" || !cursor.eat(",")) return;
  const at = cursor.skipSpace().at;
  const word = cursor.word();
  if (word !== "jumps" && word !== "nojumps") throw new SourceError(cursor.span(at), "expected 'jumps' or 'nojumps'");
};

function readCheck(cursor: Cursor): Check {
  const start = cursor.skipSpace().at;
  const word = cursor.word();
  if (word === "none" || word === "warning" || word === "error") return word;
  throw new SourceError(
    start < cursor.at ? cursor.span(start) : wholeLine(cursor.line),
    "expected 'none', 'warning' or 'error'",
  );
}

const mnemonics =
  (intel: boolean): Directive =>
  ({ machine }) =>
    void (machine.intelMnemonics = intel);

export const MACHINE: Readonly<Record<string, Directive>> = {
  ".arch": arch,
  ".sse_check": ({ machine }, cursor) => void (machine.sseCheck = readCheck(cursor)),
  ".operand_check": ({ machine }, cursor) => void (machine.operandCheck = readCheck(cursor)),
  ".intel_mnemonic": mnemonics(true),
  ".att_mnemonic": mnemonics(false),
};
