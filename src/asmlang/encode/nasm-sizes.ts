/** Size keywords where NASM's idea of an operand is not the width that the instruction reads. */
import type { Form } from "./forms.ts";

/** Regions, pairs of bounds, and a few operands whose sizes NASM does not know. */
const UNSIZED = /^(vm(clear|ptr(ld|st)|xon)|bnd.+|pdistib|pmachriw|pshuf([dw]|[hl]w))$/;
/** Taken for 16 bytes, with MMX registers too. */
const OWORDS = /^(pmuludq|psubq|cmpsd)$/;

const isMmx = (form: Form): boolean => form.slots.some(({ reg }) => reg === "mm");
const isXmm = (form: Form): boolean => form.slots.some(({ reg }) => reg === "xmm");
const isBranch = (mnemonic: string): boolean => mnemonic === "call" || mnemonic === "jmp";

/** Bytes of the keyword that an operand without a size of its own takes; 0: none. */
function keywordOf(mnemonic: string): number {
  if (/^prefetchw?$/.test(mnemonic)) return 8;
  if (mnemonic.startsWith("prefetch")) return 1;
  if (/^(rs|sv)(dc|ldt|ts)$/.test(mnemonic)) return 10;
  return mnemonic.endsWith("tilecfg") ? 64 : 0;
}

/** Does memory take this keyword? undefined: the size of what is there decides. */
export function nasmTakesSize(form: Form, size: number): boolean | undefined {
  const { mnemonic, memoryClass } = form;
  if (mnemonic === "lea" || size === 0) return true;
  if (OWORDS.test(mnemonic) && (isMmx(form) || isXmm(form))) return size === 16;
  const pointer = memoryClass === "far" && !isBranch(mnemonic);
  const unsized = UNSIZED.test(mnemonic) || (mnemonic === "palignr" && isXmm(form));
  const region = memoryClass === "structure" || memoryClass === "address";
  return region || pointer || unsized ? size === keywordOf(mnemonic) : undefined;
}

const UNSIZED_VALUE = /^(enter|pshuf([dw]|[hl]w)|extrq|insertq|sh[lr]d|pinsrw)$/;
const UNSIZED_VALUE_WITH_MMX = /^(ps(rl|ra|ll)[wdq]|pextrw)$/;

/** Immediates that take no keyword at all; `palignr` of MMX registers takes theirs. */
export function nasmTakesValueSize(form: Form, bits: number): boolean | undefined {
  const { mnemonic } = form;
  if (mnemonic === "palignr") return isMmx(form) && bits === 64;
  return UNSIZED_VALUE.test(mnemonic) || (UNSIZED_VALUE_WITH_MMX.test(mnemonic) && isMmx(form)) ? false : undefined;
}
