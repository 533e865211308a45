/** What the two tools decide on their own: sizes taken for granted, and statements they read as another one. */
import type { Dialect } from "../types.ts";
import { defaultSuffix, fitsSuffix } from "./att.ts";
import type { Form } from "./forms.ts";
import type { Query } from "./match.ts";
import type { Pattern } from "./patterns.ts";
import type { Prefixes } from "./prefixes.ts";
import type { EncodeRequest } from "./types.ts";

/** Instructions whose unsized memory operand has the mode's natural size. */
const NATURAL: Readonly<Record<EncodeRequest["dialect"], ReadonlySet<string>>> = {
  nasm: new Set([
    "call",
    "jmp",
    "vcvtpd2dq",
    "vcvttpd2dq",
    "vcvtpd2ps",
    "vcvtpd2ph",
    "vcvtqq2ph",
    "vcvtuqq2ph",
    "vcvtudq2ph",
    "vcvtsi2sd",
    "vcvtsi2ss",
    "cvtsi2sd",
    "cvtsi2ss",
  ]),
  gas: new Set(["call", "jmp", "push", "pop"]),
};

/** NASM's EVEX forms of these want a size. */
const NOT_WITH_EVEX = /^vcvt(t?pd2dq|pd2ps|si2s[sd])$/;

/**
 * Forms to choose from when no operand has a width: the mode's own for some instructions; for AT&T syntax otherwise those of a
 * default suffix, with a warning; undefined: an error.
 */
export function withoutSize(
  request: EncodeRequest,
  query: Query,
  patterns: readonly Pattern[],
  prefixes: Prefixes,
): Unsized | undefined {
  const { bits } = request;
  if (request.dialect === "gas" && prefixes.operandSize === 16 && bits !== 16) {
    const source = /^mov[zs]x$/.test(query.names[0]!) ? 1 : 2;
    const words = patterns.filter(({ form }) => form.memoryBytes === source || form.operandSize === 16);
    return { patterns: words.length > 0 ? words : patterns, warning: undefined };
  }
  if (request.dialect === "nasm" && patterns[0]!.form.memoryClass === "far") {
    return { patterns: patterns.filter(({ form }) => form.operandSize === bits), warning: undefined };
  }
  const { form } = patterns[0]!;
  // NASM's KMOV stores eight bits where nothing else is said.
  if (form.mnemonic.startsWith("kmov") && request.operands[0]?.kind === "mem") return { patterns, warning: undefined };
  const wider = form.evex !== undefined && request.dialect === "nasm" && NOT_WITH_EVEX.test(form.mnemonic);
  if (!wider && query.names.some((name) => NATURAL[request.dialect].has(name))) return { patterns, warning: undefined };
  const bare = request.operands.every(({ kind }) => kind !== "mem");
  if (request.dialect === "nasm" || request.intelMnemonics) return undefined;
  if (query.names.some((name) => name === "movzx" || name === "movsx")) return { patterns, warning: undefined };
  const meant = patterns.filter(({ form }) => fitsSuffix(form, defaultSuffix(form, request.bits), !bare));
  const warning = `no instruction mnemonic suffix given and no register operands; using default for "${request.mnemonic}"`;
  return meant.length === 0 ? undefined : { patterns: meant, warning };
}

export interface Unsized {
  readonly patterns: readonly Pattern[];
  readonly warning: string | undefined;
}

/** An explicit operand-size prefix picks the form of that size where the operands leave it open (branches, stack, returns). */
export function bySizePrefix(
  patterns: readonly Pattern[],
  prefixes: Prefixes,
  { dialect, bits }: EncodeRequest,
): readonly Pattern[] {
  const asked = prefixes.operandSize;
  const first = patterns[0]?.form;
  const branch = first?.slots[0]?.place === "rel";
  if (asked === undefined || (branch && (first.addressSize !== 0 || (dialect === "nasm" && bits === 64))))
    return patterns;
  const meant = patterns.filter(({ form }) => form.operandSize === asked);
  return meant.length === 0 ? patterns : meant;
}

const takesOffset = ({ form }: Pattern): boolean => form.slots.some(({ place }) => place === "moffs");

/** Likewise for the address size (LOOP, JCXZ, MONITOR). */
export function byAddressPrefix(
  patterns: readonly Pattern[],
  prefixes: Prefixes,
  { bits, operands }: EncodeRequest,
): readonly Pattern[] {
  const memory = operands.find((operand) => operand.kind === "mem");
  const asked = prefixes.addressSize ?? memory?.addressSize;
  if (asked === undefined) return patterns;
  const meant = patterns.filter(({ form }) => form.addressSize === asked);
  if (meant.length > 0) return meant;
  // With 32-bit addresses the form without ModRM is the shorter one in 64-bit code, too.
  const offsets = bits === 64 && prefixes.repKind !== "hle" ? patterns.filter(takesOffset) : [];
  return offsets.length > 0 ? offsets : patterns;
}

/** GNU as: a 16-bit operation already has the prefix. */
export function doubledPrefix(patterns: readonly Pattern[], request: EncodeRequest, prefixes: Prefixes): boolean {
  const first = patterns[0]!.form;
  const prefixed = first.operandSize === 16 || (first.mandatory === 0x66 && first.vex === undefined);
  return (
    request.dialect === "gas" &&
    request.bits !== 16 &&
    prefixes.operandSize === 16 &&
    prefixed &&
    !worksOnVectors(first)
  );
}

/** Taken with REP though it repeats nothing: old idioms, and encodings that became another instruction. */
const REP_IS_HARMLESS = /^(ret|nop|bsf|bsr|xs(tore|ha).*|xcrypt.*|montmul)$/;

const VECTOR_CLASSES = new Set(["mm", "xmm", "ymm", "zmm", "k", "bnd"]);
const worksOnVectors = (form: Form): boolean =>
  form.vex !== undefined || form.slots.some((slot) => VECTOR_CLASSES.has(slot.reg ?? ""));

/** Lock elision is for what may be locked, XCHG, and stores that release. */
function elides(form: Form, { operands, prefixes: words }: EncodeRequest, { lock }: Prefixes): boolean {
  const memory = operands.some(({ kind }) => kind === "mem");
  if (!form.elidable || !memory) return false;
  return lock || form.mnemonic === "xchg" || (form.mnemonic === "mov" && words.includes("xrelease"));
}

function nasmPrefixError(form: Form, { bits, hints, operands }: EncodeRequest, prefixes: Prefixes): string | undefined {
  const { addressSize } = prefixes;
  if (addressSize !== undefined && (addressSize === 64) !== (bits === 64) && (addressSize === 64 || addressSize === 16))
    return `${addressSize}-bit addressing is not supported in ${bits}-bit mode`;
  if (prefixes.segment !== 0 && operands.some((operand) => operand.kind === "mem" && operand.segment !== 0))
    return "instruction has conflicting segment overrides";
  if (prefixes.operandSize === 64 && bits !== 64) return `o64 is not supported in ${bits}-bit mode`;
  return hints.includes("rex") && (bits !== 64 || form.vex !== undefined)
    ? "instruction not encodable with {rex} prefix"
    : undefined;
}

const REPEAT_WORDS = /^(rep|bnd|xacquire|xrelease)/;
const SIZE_WORDS = /^data(16|32)$/;
/** Their names say the width of the counter, which is the address size. */
const COUNTS_IN = /^(umonitor|j[er]?cxz|loop(n?[ez])?[wlq])$/;
const ADDRESS_WORDS = /^addr(16|32)$/;
const SEGMENT_WORDS = new Set(["es", "cs", "ss", "ds", "fs", "gs", "notrack"]);
/** Segment prefixes that are no branch hints mean nothing in 64-bit code. */
const IGNORED_SEGMENTS: Readonly<Record<number, string>> = { 38: "es", 54: "ss" };

/** Prefixes that GNU as does not take in front of an instruction; NASM only warns. */
export function prefixError(form: Form, request: EncodeRequest, prefixes: Prefixes): string | undefined {
  if (request.prefixes.length + request.hints.length === 0) return undefined;
  if (request.dialect === "nasm") return nasmPrefixError(form, request, prefixes);
  if (request.prefixes.filter((word) => SEGMENT_WORDS.has(word)).length > 1) return "same type of prefix used twice";
  if (request.prefixes.filter((word) => REPEAT_WORDS.test(word)).length > 1) return "same type of prefix used twice";
  const addresses = request.prefixes.filter((word) => ADDRESS_WORDS.test(word)).length;
  const counted = COUNTS_IN.test(request.mnemonic) && form.addressSize !== request.bits;
  if (addresses > (counted ? 0 : 1) || request.prefixes.filter((word) => SIZE_WORDS.test(word)).length > 1)
    return "same type of prefix used twice";
  const indirect = /^(call|jmp)$/.test(form.mnemonic) && form.slots[0]?.place === "rm";
  if (request.prefixes.includes("notrack") && !indirect) return `expecting indirect branch instruction after "notrack"`;
  const ignored = request.bits === 64 ? IGNORED_SEGMENTS[prefixes.segment] : undefined;
  if (ignored !== undefined) return `prefix "${ignored}" is not supported in 64-bit mode`;
  const [target] = request.operands;
  const displacement = form.slots[0]?.place === "rel" || (target?.kind === "far" && target.apart);
  if (displacement && request.hints.includes(request.bits === 16 ? "disp32" : "disp16"))
    return `invalid {disp${request.bits === 16 ? 32 : 16}} prefix`;
  if (prefixes.rex >= 0 && form.vex !== undefined) return `REX prefix invalid with "${request.mnemonic}"`;
  if (prefixes.operandSize === 16 && request.bits !== 16 && worksOnVectors(form))
    return `data size prefix invalid with "${request.mnemonic}"`;
  if (prefixes.lock && !(form.lockable && request.operands[0]?.kind === "mem"))
    return `expecting lockable instruction after "lock"`;
  const { repKind } = prefixes;
  if (prefixes.rex >= 0 && request.bits !== 64) return "REX prefixes are only supported in 64-bit mode";
  const takesRep =
    repKind === "bnd"
      ? form.boundable
      : repKind === "hle"
        ? elides(form, request, prefixes)
        : form.repeatable ||
          (REP_IS_HARMLESS.test(form.mnemonic) &&
            !(form.mnemonic === "nop" && form.modrm) &&
            !(prefixes.rep === 0xf2 && form.mandatory === 0xf3));
  if (repKind !== undefined && !takesRep) return `invalid instruction "${request.mnemonic}" after "${repKind}"`;
  if (prefixes.operandSize === request.bits && request.bits !== 64) return `redundant data${request.bits} prefix`;
  if (prefixes.addressSize === request.bits) return `redundant addr${request.bits} prefix`;
  return undefined;
}

/** GNU as skips the prefixes of a relaxable branch that are no hint, with a warning. */
export function effectivePrefixes(form: Form, dialect: Dialect, prefixes: Prefixes): Prefixes {
  const place = form.slots[0]?.place;
  if (dialect !== "gas" || (place !== "rel" && place !== "far")) return prefixes;
  const hint = prefixes.segment === 0x2e || prefixes.segment === 0x3e ? prefixes.segment : 0;
  if (form.addressSize !== 0) return { ...prefixes, segment: hint, operandSize: undefined };
  return { ...prefixes, segment: hint, addressSize: undefined, lock: false };
}

const NO_WARNINGS: readonly string[] = [];

export function prefixWarnings(form: Form, request: EncodeRequest, prefixes: Prefixes): readonly string[] {
  if (!prefixes.lock) return NO_WARNINGS;
  const lockable = form.lockable && request.operands.some((operand) => operand.kind === "mem");
  return lockable ? NO_WARNINGS : ["instruction is not lockable"];
}
