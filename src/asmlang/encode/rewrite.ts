/** Statements that a tool reads as another one: shorthands, and values that ask for another instruction. */
import { Register } from "../../emu/cpu/iced.ts";
import { regInfo } from "./registers.ts";
import type { AsmOperand, EncodeRequest } from "./types.ts";

const register = (reg: number): AsmOperand => ({ kind: "reg", reg });

/** NASM shortens `mov rax, 5` to the 32-bit move, which clears the upper half, and gives a symbol the full 64 bits. */
function shortenedMove(request: EncodeRequest): EncodeRequest {
  const [to, from] = request.operands;
  // Into memory there is but one form: `strict` says nothing.
  if (to?.kind === "mem" && from?.kind === "imm" && from.strict && from.size === 64)
    return { ...request, operands: [to, { kind: "imm", value: from.value, size: 64 }] };
  if (to?.kind !== "reg" || from?.kind !== "imm" || regInfo(to.reg)?.class !== "r64") return request;
  const value = from.value.known;
  if (from.strict || (from.size !== undefined && from.size !== 64)) return request;
  if (value === undefined) return { ...request, operands: [to, { ...from, size: 64, strict: true }] };
  if (value < 0n || value > 0xffffffffn) return request;
  return { ...request, operands: [register(to.reg - Register.RAX + Register.EAX), { kind: "imm", value: from.value }] };
}

/** GNU as takes the exchange of RAX with itself for a plain NOP. */
function exchangedWithItself(request: EncodeRequest): EncodeRequest {
  const same =
    request.operands.length === 2 &&
    request.operands.every((operand) => operand.kind === "reg" && operand.reg === Register.RAX);
  return same ? { ...request, mnemonic: "nop", operands: [] } : request;
}

/** NASM: `lea eax, 5` is `lea eax, [5]`. */
function addressForValue(request: EncodeRequest): EncodeRequest {
  const [to, from] = request.operands;
  if (to === undefined || from?.kind !== "imm") return request;
  return {
    ...request,
    operands: [to, { kind: "mem", segment: 0, base: 0, index: 0, scale: 1, displacement: from.value, size: 0 }],
  };
}

const isClass = (operand: AsmOperand, kind: string): boolean =>
  operand.kind === "reg" && regInfo(operand.reg)?.class === kind;

const isVector = (operand: AsmOperand): boolean => isClass(operand, "xmm") || isClass(operand, "mm");

const isDword = (operand: AsmOperand): boolean =>
  isClass(operand, "r32") || (operand.kind === "mem" && operand.size === 4);

/** Registers that the opcode implies but that may be written; 0: rAX in the address size. */
const IMPLIED: ReadonlyMap<string, readonly number[]> = new Map(
  Object.entries({
    monitor: [0, Register.ECX, Register.EDX],
    monitorx: [0, Register.ECX, Register.EDX],
    mwait: [Register.EAX, Register.ECX],
    mwaitx: [Register.EAX, Register.ECX, Register.EBX],
    vmrun: [0],
    vmload: [0],
    vmsave: [0],
    invlpga: [0, Register.ECX],
    clzero: [0],
    skinit: [Register.EAX],
    invlpgb: [0, Register.ECX, Register.EDX],
    pvalidate: [0, Register.ECX, Register.EDX],
    psmash: [0],
    rmpupdate: [0, Register.RCX],
    rmpadjust: [0, Register.RCX, Register.RDX],
    rmpquery: [0, Register.RCX, Register.RDX],
  }),
);

/** NASM takes these registers and no others; what it knows with none is refused. */
const IMPLIED_IN_NASM: ReadonlyMap<string, readonly number[]> = new Map<string, readonly number[]>([
  ...["vmrun", "vmload", "vmsave", "skinit", "pvalidate", "rmpadjust"].map((name) => [name, []] as const),
  ["mwaitx", [Register.EAX, Register.ECX]],
]);

/** GNU as wants only the address written. */
const FIRST_ALONE = /^(pvalidate|rmpadjust|rmpupdate)$/;

function impliedBy({ mnemonic, dialect }: EncodeRequest): readonly number[] | undefined {
  return (dialect === "nasm" ? IMPLIED_IN_NASM.get(mnemonic) : undefined) ?? IMPLIED.get(mnemonic);
}

/** NASM has MONITOR with RAX in 64-bit code and EAX elsewhere, and wants the other registers as they are named. */
function namedExactly({ mnemonic, bits, operands }: EncodeRequest, implied: readonly number[]): boolean {
  return operands.every((operand, i) => {
    if (operand.kind !== "reg") return false;
    if (implied[i] !== 0) return implied[i] === operand.reg;
    return mnemonic !== "monitor" || operand.reg === (bits === 64 ? Register.RAX : Register.EAX);
  });
}

function impliedRegisters(request: EncodeRequest, implied: readonly number[]): EncodeRequest {
  const { operands, bits } = request;
  const firstAlone = request.dialect === "gas" && operands.length === 1 && FIRST_ALONE.test(request.mnemonic);
  if (operands.length !== implied.length && !firstAlone) return request;
  if (request.dialect === "nasm" && !namedExactly(request, implied)) return request;
  let width = bits;
  for (let i = 0; i < operands.length; i++) {
    const operand = operands[i]!;
    if (operand.kind !== "reg") return request;
    const info = regInfo(operand.reg);
    if (info === undefined || !/^r(16|32|64)$/.test(info.class)) return request;
    if (implied[i] === 0 && info.number === 0) width = (info.size * 8) as typeof bits;
    else if (request.mnemonic === "skinit" && implied[i] !== operand.reg) return request;
    else if (implied[i] !== operand.reg && info.number !== regInfo(implied[i]!)?.number) return request;
  }
  if (width === 16 && bits === 64) return request;
  if (request.dialect === "gas" && width !== bits && request.prefixes.some((word) => /^addr/.test(word)))
    return request;
  const widthSaid = width !== bits && !(request.dialect === "nasm" && request.mnemonic.startsWith("monitor"));
  return { ...request, operands: [], prefixes: widthSaid ? [...request.prefixes, `a${width}`] : request.prefixes };
}

/** XMM0 may be written where it is implied. */
const WITH_XMM0 = /^(p?blendvp?[bsd]|sha256rnds2)$/;

function impliedXmm0(request: EncodeRequest): EncodeRequest {
  const { operands } = request;
  const last = operands[2];
  return operands.length === 3 && last?.kind === "reg" && last.reg === Register.XMM0
    ? { ...request, operands: operands.slice(0, 2) }
    : request;
}

/** TPAUSE and UMWAIT, with the time in EDX:EAX written out. */
function impliedTime(request: EncodeRequest): EncodeRequest {
  const [state, high, low] = request.operands;
  const written = high?.kind === "reg" && high.reg === Register.EDX && low?.kind === "reg" && low.reg === Register.EAX;
  return written && request.operands.length === 3 ? { ...request, operands: [state!] } : request;
}

const POPPING = new Set(["fadd", "fsub", "fsubr", "fmul", "fdiv", "fdivr"]);
const WITH_ST1 = /^(f(add|subr?|mul|divr?)p|fxch|fu?comi?p?|fu?compi)$/;

const NASM_WITH_ST1 = /^(fld|fstp?|ffreep?|fcmovn?(be|[beu]))$/;

/** x87 instructions without operands work on ST1. */
function bareX87(request: EncodeRequest): EncodeRequest {
  const { mnemonic } = request;
  if (POPPING.has(mnemonic) && request.uncrossed) return request;
  if (POPPING.has(mnemonic)) return { ...request, mnemonic: `${mnemonic}p`, operands: [register(Register.ST1)] };
  if (WITH_ST1.test(mnemonic) || (request.dialect === "nasm" && NASM_WITH_ST1.test(mnemonic)))
    return { ...request, operands: [register(Register.ST1)] };
  if (/^fn?stsw$/.test(mnemonic) && request.dialect === "gas") return { ...request, operands: [register(Register.AX)] };
  return request;
}

/** AAM and AAD in base ten. */
function bareAdjust(request: EncodeRequest): EncodeRequest {
  return { ...request, operands: [{ kind: "imm", value: { known: 10n } }] };
}

/** GNU as reads `crc32q %cl, %rdx` as if it said %rcx. */
function wideChecksum(request: EncodeRequest): EncodeRequest {
  const [to, from] = request.operands;
  const info = from?.kind === "reg" ? regInfo(from.reg) : undefined;
  if (to === undefined || !isClass(to, "r64") || info?.class !== "r8" || info.rex === "no") return request;
  return { ...request, operands: [to, register(Register.RAX + info.number)] };
}

const SUFFIX_SIZES: Readonly<Record<string, number>> = { b: 1, w: 2, l: 4, d: 4, q: 8 };

/** `div %cl, %al`: the accumulator, as wide as the divisor and as a suffix says. */
function isAccumulatorOf({ mnemonic, operands: [to, from] }: EncodeRequest): boolean {
  const [first, second] = [to, from].map((operand) => (operand?.kind === "reg" ? regInfo(operand.reg) : undefined));
  const said = from?.kind === "mem" && (from.size === 0 || from.size === first?.size);
  const suffix = SUFFIX_SIZES[/v(\w)$/.exec(mnemonic)?.[1] ?? ""];
  if (suffix !== undefined && suffix !== first?.size) return false;
  return first?.number === 0 && /^r\d+$/.test(first.class) && (first.class === second?.class || said);
}

/** Memory that says no size has the register's. */
function asWideAs(to: AsmOperand, from: AsmOperand): AsmOperand {
  const size = to.kind === "reg" ? regInfo(to.reg)?.size : undefined;
  return from.kind === "mem" && from.size === 0 && size !== undefined ? { ...from, size } : from;
}

/** The count of shifts and rotations: ECX and RCX are CL, CX is not. One operand of IN and OUT: any width of DX will do. */
const BY_CL = /^(s[ah][lr]|r[oc][lr]|sh[lr]d)[bwlqd]?$/;
const BY_DX = /^(in|out)[bwld]?$/;

function widthless(request: EncodeRequest): EncodeRequest {
  const { mnemonic, operands } = request;
  const narrowed = operands.map((operand, i) => {
    const info = operand.kind === "reg" ? regInfo(operand.reg) : undefined;
    if (info === undefined || !/^r(16|32|64)$/.test(info.class)) return operand;
    const isCount = info.number === 1 && info.class !== "r16" && i > 0 && i === operands.length - 1;
    if (isCount && BY_CL.test(mnemonic)) return register(Register.CL);
    return info.number === 2 && BY_DX.test(mnemonic) ? register(Register.DX) : operand;
  });
  return { ...request, operands: narrowed };
}

function gas(request: EncodeRequest): EncodeRequest {
  const { mnemonic, operands } = request;
  if (BY_CL.test(mnemonic) || BY_DX.test(mnemonic)) return widthless(request);
  const first = operands[0];
  if (/^clr[bwldq]?$/.test(mnemonic) && operands.length === 1) {
    return { ...request, mnemonic: mnemonic.replace("clr", "xor"), operands: [first!, first!] };
  }
  if (/^i?div[bwldq]?$/.test(mnemonic) && operands.length === 2 && isAccumulatorOf(request))
    return { ...request, operands: [asWideAs(first!, operands[1]!)] };
  if (mnemonic === "crc32q") return wideChecksum(request);
  if (mnemonic === "xchg" || mnemonic === "xchgq") return exchangedWithItself(request);
  if (mnemonic === "int" && first?.kind === "imm" && first.value.known === 3n)
    return { ...request, mnemonic: "int3", operands: [] };
  return request;
}

/** NASM: `loop label, ecx` names the counter, and so the address size. */
function loopCounter(request: EncodeRequest): EncodeRequest {
  const [target, counter] = request.operands;
  const info = counter?.kind === "reg" ? regInfo(counter.reg) : undefined;
  if (target === undefined || info?.number !== 1 || info.size < 2) return request;
  return { ...request, operands: [target], prefixes: [...request.prefixes, `a${info.size * 8}`] };
}

/** NASM: a selector in a quadword, which costs a REX.W. */
function wideSelector(request: EncodeRequest): EncodeRequest {
  const { operands, bits } = request;
  const selector = operands.some((operand) => isClass(operand, "seg"));
  const wide = operands.some((operand) => operand.kind === "mem" && operand.size === 8);
  if (!selector || !wide || bits !== 64) return request;
  const words = operands.map((operand) => (operand.kind === "mem" ? { ...operand, size: 2 } : operand));
  return { ...request, operands: words, prefixes: [...request.prefixes, "o64"] };
}

/** Older than EVEX: the other orders of a fused operation's digits, early names of moves. */
const VEX_ONLY = /^v(fn?m(add|sub)(add|sub)?(123|312|321)|ldqqu|movqq[au]|movntqq)/;

function nasm(request: EncodeRequest): EncodeRequest {
  if (VEX_ONLY.test(request.mnemonic)) return { ...request, hints: [...request.hints, "vex"] };
  if (request.mnemonic.startsWith("loop")) return loopCounter(request);
  if (request.mnemonic === "mov" && request.bits === 64) return wideSelector(shortenedMove(request));
  return request.mnemonic === "lea" ? addressForValue(request) : request;
}

export function rewrite(request: EncodeRequest): EncodeRequest {
  const { mnemonic, operands } = request;
  if (operands.length === 0) {
    if (mnemonic === "aam" || mnemonic === "aad") return bareAdjust(request);
    return mnemonic.startsWith("f") ? bareX87(request) : request;
  }
  if (WITH_XMM0.test(mnemonic)) return impliedXmm0(request);
  if (mnemonic === "tpause" || mnemonic === "umwait") return impliedTime(request);
  const implied = impliedBy(request);
  if (implied !== undefined) return impliedRegisters(request, implied);
  if (mnemonic === "movsx" && operands.length === 2 && isDword(operands[1]!)) {
    const unextended = request.dialect === "gas" && operands.some((operand) => isClass(operand, "r32"));
    if (unextended || isClass(operands[0]!, "r64")) return { ...request, mnemonic: "movsxd" };
  }
  if (mnemonic === "movd" || mnemonic === "vmovd") {
    const vector = request.dialect === "nasm" || operands.some(isVector);
    if (vector && operands.some((operand) => isClass(operand, "r64")))
      return { ...request, mnemonic: mnemonic.replace("movd", "movq") };
  }
  return request.dialect === "gas" ? gas(request) : nasm(request);
}
