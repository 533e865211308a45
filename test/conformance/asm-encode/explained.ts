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

export const EXPLAINED: readonly Explanation[] = [
  {
    reason: "NASM 2.16 leaves the F3 out of PTWRITE, which makes it XSAVE",
    test: where("nasm", /^(\w+ )*ptwrite/),
  },
  {
    reason: "NASM puts a 67 in front of these that the register's width does not ask for",
    test: where("nasm", /^(\w+ )*(movdir64b|enqcmds?)/),
  },
  {
    reason: "AMD's manual: F3 0F 01 D9; NASM has the bytes of VMCALL",
    test: where("nasm", /vmgexit/),
  },
  {
    reason:
      "NASM counts the F3 of VIA's instructions as a written REP when it orders prefixes; GNU as does not repeat it",
    test: where("nasm att intel", /(xcrypt|xstore|xsha|montmul)/),
  },
  {
    reason: "NASM gives Jcc after o32 in 16-bit code a 16-bit displacement, which the processor reads as 32 bits",
    test: where("nasm", /^o(16|32) (j|xbegin)/),
  },
  {
    reason: "a prefix says one address size, the register or the mnemonic another",
    test: where(
      "nasm att intel",
      /^a(16|32|ddr16|ddr32) (umonitor|j[er]?cxz|loop|(movs|cmps|stos|lods|scas|ins|outs)[bwdlq]? .)/,
    ),
  },
  {
    reason: "without EVEX, what the tools encode with it by default gets its VEX form",
    test: where("nasm att intel", /^(\w+ )*(vpdp|vpmadd52|vcvtneps2bf16|vextractps)/),
  },
  {
    reason: "only EVEX has this form",
    test: ({ line, theirs, verdict }) =>
      verdict === "we-reject" && /^(\w+ )*v/.test(line.text) && /^(26|2e|36|3e|64|65|67)*62/.test(theirs),
  },
  {
    reason: "NASM puts REX.W where a selector is read from a quadword, and WAIT before other prefixes",
    test: where("nasm", /^(\w+ )*(mov [c-gs]s, qword|wait)/),
  },
  {
    reason: "GNU as makes a 16-bit MOV of MOVD from a general register to memory",
    test: where("intel", /^movd .*\], /),
  },
  {
    reason: "NASM takes the SSE4.1 form when the count has a size",
    test: where("nasm", /^(\w+ )*pextrw .*(byte|strict)/),
  },
  {
    reason: "GNU as judges a value by 64 bits where it has to guess the operation's size",
    test: ({ line }) => line.syntax === "att" && line.request.bits === 64 && /\$-?0xf{6,}/.test(line.text),
  },
  {
    reason: "GNU as takes any memory operand for the implied one of a string instruction, with a warning",
    test: refused("att intel", /^(\w+ )*(movs|cmps|stos|lods|scas|ins|outs|xlat)/),
  },
  {
    reason: "GNU as takes any width of CL and DX as count and port",
    test: refused("att intel", /^(\w+ )*(in|out|sh[lr]|sa[lr]|ro[lr]|rc[lr]|sh[lr]d)[bwlq]? /),
  },
];

export function explanationOf(outcome: Outcome): string | undefined {
  return EXPLAINED.find(({ test }) => test(outcome))?.reason;
}
