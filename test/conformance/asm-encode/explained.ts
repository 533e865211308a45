/** Lines where our bytes differ from the tool's on purpose, each kind with its reason. */
import type { Outcome } from "./compare.ts";

interface Explanation {
  readonly reason: string;
  readonly test: (outcome: Outcome) => boolean;
}

const where =
  (syntaxes: string, text: RegExp) =>
  ({ line }: Outcome): boolean =>
    syntaxes.includes(line.syntax) && text.test(line.text);

/** Lines that the tool takes and we do not. */
const refused =
  (syntaxes: string, text: RegExp) =>
  (outcome: Outcome): boolean =>
    outcome.verdict === "we-reject" && where(syntaxes, text)(outcome);

/** Lines that we take and the tool does not. */
const accepted =
  (syntaxes: string, text: RegExp) =>
  (outcome: Outcome): boolean =>
    outcome.verdict === "we-accept" && where(syntaxes, text)(outcome);

const UNKNOWN = /no such instruction|instruction expected|taken for a label|label alone|inconsistently redefined/;

/** Mnemonics of half-precision and brain floats, and their neighbours in NASM's tables. */
const NASM_HALF = /\b(v\w+[ps]h|vcvt\w*(ph|sh|bf16)\w*|vdpbf16ps|vp2intersect[dq]|vmovw) /;

const NASM_UNSIZED =
  /\b(vm(clear|ptrld|ptrst|xon)|bndmov|bnd(ldx|stx)|pdistib|pmachriw|pmuludq|psubq|cmpsd|pshufl?h?[dw]|palignr|pinsrw|sh[lr]d|enter|insertq|extrq|ps[lr][la][wdq]|fn?save|frstor|fn?stenv|fldenv|fxsave(64)?|fxrstor(64)?|xsave\w*|xrstor\w*|[ls][ig]dt|invlpg|clflush\w*|clwb|cldemote|[ls][dt]tilecfg|prefetch\w*|l[defgs]s|bound|bndc[lnu]|rs(ldt|ts|dc)|sv(ldt|ts|dc)) /;

export const EXPLAINED: readonly Explanation[] = [
  {
    reason: "NASM panics",
    test: ({ verdict, theirs }) => verdict === "we-accept" && theirs.startsWith("panic:"),
  },
  {
    reason: "GNU as ends with an internal error",
    test: ({ verdict, theirs }) => verdict === "we-accept" && theirs.startsWith("Internal error"),
  },
  {
    reason: "NASM 2.16 leaves the F3 out of PTWRITE, which makes it XSAVE",
    test: where("nasm", /\bptwrite/),
  },
  {
    reason: "AMD's manual: F3 0F 01 D9; NASM has the bytes of VMCALL",
    test: where("nasm", /vmgexit/),
  },
  {
    reason: "NASM gives Jcc after o32 in 16-bit code a 16-bit displacement, which the processor reads as 32 bits",
    test: where("nasm", /^o(16|32) (j|xbegin)/),
  },
  {
    reason: "a prefix says one address size, the register or the mnemonic another",
    test: where("nasm", /^a(16|32) (umonitor|j[er]?cxz|loop|(movs|cmps|stos|lods|scas|ins|outs)[bwdlq]? .)/),
  },
  {
    reason: "NASM puts WAIT before other prefixes",
    test: where("nasm", /^(\w+ )+wait/),
  },
  {
    reason: "GNU as takes MOVD between a general register and memory for a MOV, of 16 bits to memory",
    test: where("intel", /\bmov[dq] /),
  },
  {
    reason: "NASM takes the SSE4.1 form when the count has a size",
    test: where("nasm", /^(\w+ )*pextrw .*(byte|strict)/),
  },
  {
    reason: "GNU as judges a value by 64 bits where it has to guess the operation's size",
    test: ({ line }) =>
      line.syntax === "att" && line.bits === 64 && /\$-?0x([89a-f][0-9a-f]{7}|[0-9a-f]{9,})\b/.test(line.text),
  },
  {
    reason: "the tool does not know the mnemonic: newer than it, or of odd processors",
    test: ({ verdict, theirs }) => verdict === "we-accept" && UNKNOWN.test(theirs),
  },
  {
    reason:
      "NASM 2.16 has wrong opcodes, operand sizes or decorators in its tables of AVX512-FP16, BF16 and VP2INTERSECT",
    test: where("nasm", NASM_HALF),
  },
  {
    reason: "NASM 2.16 takes no decorations with VPOPCNT, 4FMAPS and 4VNNIW, which have them",
    test: where("nasm", /\b(vpopcnt[dq]|v4fn?madd[ps]s|vp4dpwssds?) /),
  },
  {
    reason: "NASM gives no size to the memory operand, or to the immediate, and so refuses one",
    test: accepted("nasm", NASM_UNSIZED),
  },
  {
    reason: "NASM wants a size where there is no second form in this mode, or none that is meant",
    test: accepted("nasm", /\b(vcvtu?si2s[sd]|vpdpb[su][su]ds?) .*\[/),
  },
  {
    reason:
      "NASM takes registers and masks of other kinds than there are: 16 bits, quadwords outside 64-bit code, zeroing of memory",
    test: refused(
      "nasm",
      /\b(vpextrw [a-z]+,|pinsrw .*, [sdb][ip],|pinsrw .*, [a-d]x,|vpbroadcast[bw] .*, [a-d1-9rs]|vcvtusi2s[sd] .*qword|vmov\w+ \w*\s?\[.*\{z\})/,
    ),
  },
  {
    reason: "NASM moves 64 bits with opcodes that mean 32 bits outside 64-bit code",
    test: where("nasm", /\bvmovq .*\[/),
  },
  {
    reason:
      "GNU as keeps a bit of the other register in {store} of XOP rotations, and the short form in {disp32} of Intel syntax",
    test: where("att intel", /^\{(store\} .*\bvp(ro|sh)|disp32\} mov )/),
  },
  {
    reason: "GNU as wants no hints with some implied operands and x87 instructions",
    test: accepted("att intel", /^\{(disp|(load|store)\} f)/),
  },
  {
    reason: "NASM keeps [r+r] with MIB operands apart, which our parser sees as [r*2]",
    test: where("nasm", /\bbnd(ldx|stx|mk) /),
  },
  {
    reason:
      "NASM looks at {vex2} before it knows that a store would do with two bytes; GNU as has no {store} of LOADIWKEY",
    test: accepted("nasm att intel", /^\{vex2\} (rep |repne )?vmov|loadiwkey/),
  },
  {
    reason: "NASM forgets the REX prefix of PINSRB from a byte register",
    test: where("nasm", /\bpinsrb /),
  },
  {
    reason: "NASM has other forms of the 64-bit MOVD, with other opcodes than MOVQ",
    test: where("nasm", /\bv?movd /),
  },
  {
    reason: "NASM gives PUSH with o16 an immediate of 32 bits, of which the processor takes 16",
    test: where("nasm", /^o16 push /),
  },
  {
    reason: "GNU as compares the operands of a string move with each other, not with the instruction",
    test: accepted("att intel", /\bmovs(ww|d) .*[([].*[([]/),
  },
  {
    reason: "NASM takes BND in front of branches, but not REPNE, which is the same byte",
    test: accepted("nasm", /^repne (j|call|ret)/),
  },
  {
    reason: "NASM 2.16 has VCMPSS with memory wrong",
    test: accepted("nasm", /\bvcmpss /),
  },
  {
    reason: "the tool ignores rounding and broadcasts where there can be none",
    test: (outcome) => outcome.verdict === "we-reject" && /\{(r[nduz]-)?sae\}|gather.*\{1to/.test(outcome.line.text),
  },
  {
    reason: "NASM has these system instructions for 64-bit code only",
    test: accepted("nasm", /\b(skinit|rdpkru|wrpkru|wrmsrns|invlpga)\b/),
  },
  {
    reason: "NASM 2.16 does not know the VEX forms that came after the EVEX ones",
    test: ({ line, verdict }) =>
      verdict === "we-accept" &&
      line.syntax === "nasm" &&
      /^\{vex[23]?\} .*\b(vpdp(bu|ws)sds?|vpmadd52[lh]uq) /.test(line.text),
  },
  {
    reason: "GNU as loses the brackets of a number without registers before decorations",
    test: accepted("intel", /\[-?0x[0-9a-f]+\]\{/),
  },
  {
    reason: "GNU as takes these from Intel syntax with a suffix only",
    test: accepted("att intel", /\b(sysret|sysexit|getsecq)$/),
  },
];

export function explanationOf(outcome: Outcome): string | undefined {
  return EXPLAINED.find(({ test }) => test(outcome))?.reason;
}
