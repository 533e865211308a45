/** Why the dialect's tool and we may differ on a line, each reason for named mnemonics and one shape. */
import type { Bits } from "../../../src/asmlang/types.ts";
import type { Outcome, Verdict } from "../asm-encode/compare.ts";
import type { Syntax } from "../asm-encode/line.ts";

interface Explanation {
  readonly reason: string;
  readonly syntax: Syntax;
  readonly verdicts: readonly Verdict[];
  readonly text: RegExp;
  readonly bits?: readonly Bits[];
}

const WRONG: readonly Verdict[] = ["different", "we-accept", "we-reject"];

const EXPLAINED: readonly Explanation[] = [
  {
    reason:
      "NASM 2.16 has wrong opcodes, sizes, names or compressed displacements in its tables of AVX512-FP16 and BF16",
    syntax: "nasm",
    verdicts: WRONG,
    text: /^(v(add|sub|mul|div|max|min|sqrt|rsqrt|rcp|reduce|rndscale|endscale|scalef|getexp|getmant|getmax|getmin|u?comi|cmp\w*|fpclass|f[n]?m\w+|fc?mul\w*|fc?madd\w*|pn?m(add|sub)\w+|mov)[ps]h|vmovw|vcvtt?\w*(ph|sh|bf16)\w*|vdpbf16ps)\b/,
  },
  {
    reason: "NASM 2.16 takes VP2INTERSECT's memory with one element's size only",
    syntax: "nasm",
    verdicts: ["we-accept", "we-reject"],
    text: /^vp2intersectd .*\[/,
  },
  {
    reason: "NASM takes 4FMAPS and 4VNNIW with registers 0 to 15 only, and not their scalar forms",
    syntax: "nasm",
    verdicts: ["we-accept"],
    text: /^(v4fn?maddss |(v4fn?maddps|vp?4dpwssds?) .*zmm17)/,
  },
  {
    reason: "NASM 2.16 leaves the F3 out of PTWRITE, which makes it XSAVE",
    syntax: "nasm",
    verdicts: WRONG,
    text: /^ptwrite /,
  },
  {
    reason: "AMD's manual: F3 0F 01 D9; NASM has the bytes of VMCALL",
    syntax: "nasm",
    verdicts: ["different"],
    text: /^vmgexit$/,
  },
  {
    reason: "NASM forgets the operand-size prefix of RETW with a number",
    syntax: "nasm",
    verdicts: ["different"],
    text: /^retw .+/,
  },
  {
    reason: "NASM 2.16 has VCMPSS with memory, and comparisons of YMM registers by name, wrong",
    syntax: "nasm",
    verdicts: ["we-accept", "we-reject"],
    text: /^vcmp(\w*(ss|p[sd]) .*\[|eq_oqp[sd] )/,
  },
  {
    reason: "NASM has these system instructions for 64-bit code only",
    syntax: "nasm",
    verdicts: ["we-accept"],
    text: /^(skinit|rdpkru|wrpkru|wrmsrns)$/,
    bits: [16, 32],
  },
  {
    reason: "NASM has RMPADJUST in every mode",
    syntax: "nasm",
    verdicts: ["we-reject"],
    text: /^rmpadjust$/,
    bits: [16, 32],
  },
  {
    reason: "NASM wants no NEAR with the jump to Itanium code, and takes any size",
    syntax: "nasm",
    verdicts: WRONG,
    text: /^jmpe /,
  },
  {
    reason: "NASM moves quadwords of memory with MOVD",
    syntax: "nasm",
    verdicts: ["we-reject"],
    text: /^v?movd .*qword/,
    bits: [64],
  },
  {
    reason: "NASM has quadwords with EVEX outside 64-bit code, where W means nothing",
    syntax: "nasm",
    verdicts: ["we-reject"],
    text: /^(vpextrq|vpinsrq|vcvtu?si2s[sd]) .*\[/,
    bits: [16, 32],
  },
  {
    reason: "NASM asks for a size where there is but one",
    syntax: "nasm",
    verdicts: ["we-accept"],
    text: /^vcvtu?si2s[sd] .*\[/,
    bits: [16, 32],
  },
  {
    reason: "NASM broadcasts from registers wider and narrower than there are",
    syntax: "nasm",
    verdicts: ["we-reject"],
    text: /^vpbroadcast[bw] [xyz]mm\d+, (r|[a-ds][xpi])/,
  },
  {
    reason: "NASM stores with the mask in the place of the data",
    syntax: "nasm",
    verdicts: ["we-reject"],
    text: /^vpmaskmov[dq] [^,]*\[[^,]*, \wmm\d+$/,
  },
  {
    reason: "a branch to a number: the listing shows the number, and NASM cuts it",
    syntax: "nasm",
    verdicts: ["different", "we-reject"],
    text: /^(j\w+|loop\w*|xbegin|call) ((near|strict|[dq]?word) )*-?\d/,
  },
  {
    reason: "NASM takes a quadword's distance for one of 32 bits",
    syntax: "nasm",
    verdicts: ["we-reject"],
    text: /^xbegin .*qword/,
  },
  {
    reason: "NASM has no MOVD of 64-bit registers",
    syntax: "nasm",
    verdicts: ["we-accept"],
    text: /^v?movd (xmm\d+, r|r\w+, xmm)/,
    bits: [64],
  },
  {
    reason: "NASM's KMOV loads and stores words and doublewords too",
    syntax: "nasm",
    verdicts: ["we-reject", "we-accept", "different"],
    text: /^kmov .*(\[|, r10w)/,
  },
  {
    reason: "NASM ignores the distance of a value in LEA",
    syntax: "nasm",
    verdicts: ["we-reject"],
    text: /^lea \w+, (short|near) /,
  },
  {
    reason: "NASM panics",
    syntax: "nasm",
    verdicts: ["we-accept"],
    text: /^(movdir64b|enqcmds?) r\w+, (zword )?\[r13d/,
  },
  {
    reason: "GNU as wants the wrong size keyword where a scalar FMA4's third source is in memory",
    syntax: "intel",
    verdicts: ["we-reject", "we-accept"],
    text: /^vfn?m(add|sub)s[sd] (xmm\d+, ){3}\w+ ptr/,
  },
  ...(["att", "intel"] as const).flatMap((syntax): Explanation[] => [
    {
      reason: "GNU as reads DS.S as the prefix DS with a hint",
      syntax,
      verdicts: ["we-reject"],
      text: /^ds\.s$/,
    },
    {
      reason: "GNU as takes a vector as the index of a tile's rows and of a string",
      syntax,
      verdicts: ["we-reject"],
      text: /^(tile(loaddt1|loadd|stored)|movs\w?|smov\w?) .*[xyz]mm1(,|\*)4/,
    },
    {
      reason: "GNU as has VCVTTPS2DQ with registers of two lengths, whose bytes are those of the longer one",
      syntax,
      verdicts: ["we-reject"],
      text: /^vcvttps2dq /,
    },
    {
      reason: "GNU as mixes a general register of one width and the suffix of the other in VCVTUSI2SD",
      syntax,
      verdicts: ["we-reject"],
      text: /^vcvtusi2sd[lqd] /,
    },
    {
      reason: "GNU as moves quadwords of memory with MOVD",
      syntax,
      verdicts: ["we-reject"],
      text: /^movd .*qword/,
    },
    {
      reason: "GNU as compares the addresses of a string instruction with each other only where both have a register",
      syntax,
      verdicts: ["we-reject"],
      text: /^(movs|cmps|smov|scmp)\w? .*(, \.|\.,|, 0x1234|0x1234,)/,
    },
    {
      reason: "GNU as takes wider names of CL as a count but not this one, with a word in memory",
      syntax,
      verdicts: ["we-accept"],
      text: /^(s[ah][lr]|r[oc][lr])w %[re]?cx, .*\(/,
    },
  ]),
];

export function explanationOf({ line, verdict }: Outcome): string | undefined {
  return EXPLAINED.find(
    ({ syntax, verdicts, text, bits }) =>
      syntax === line.syntax &&
      verdicts.includes(verdict) &&
      (bits ?? [line.bits]).includes(line.bits) &&
      text.test(line.text),
  )?.reason;
}
