/**
 * Where the tools' forms are not iced's: iced has one form for each way to decode the bytes, an assembler one for each way to
 * write them. Operands that are 16 bits wide whatever the operand size are written without a prefix.
 */
import type { Draft } from "./forms.ts";
import type { Slot } from "./kinds.ts";

/** Their one operand is a word: only the 16-bit form is written, and without the prefix that iced's has. */
const WORD_ONLY = new Set(["lldt", "ltr", "verr", "verw", "lmsw", "arpl"]);
/** Zero-extend a word into any register: the 64-bit form needs no REX.W. */
const WORD_STORES = new Set(["sldt"]);
/** Read a word from a register of any width. */
const WORD_SOURCES = new Set(["lar", "lsl"]);
/** 32-bit registers in 16-bit code: NASM puts an operand-size prefix before them, the manuals do not ask for one. */
const NASM_PREFIXED = new Set(["rdsspd", "incsspd", "wrssd", "wrussd", "rdshr", "wrshr"]);
/** A vector's bits into a general register or back, whose upper half is cleared or unused: the 64-bit form needs no W. */
const NO_WIDE = /^v?(movmskp[sd]|pmovmskb|pextr[bw]|pinsr[bw]|extractps)$/;
const NASM_WIDE = /^(movmskp[sd]|pextrw|pinsrw|extractps)$/;
/** NASM knows these with 32-bit registers only. */
const NASM_NARROW = /^(v?pinsrb|vpinsrw|pmovmskb|vextractps)$/;
const CLASSES = ["r16", "r32", "r64"] as const;

/** Far pointers with 64-bit offsets, which AMD's processors do not know, and so not GNU as by default. */
const FAR_64 = /^(l[sfg]s|call|jmp)$/;

const isSegmentMove = (draft: Draft, slot: 0 | 1): boolean =>
  draft.mnemonic === "mov" && draft.slots[slot]?.reg === "seg";

function withSource(draft: Draft, reg: (typeof CLASSES)[number]): Draft {
  const source: Slot = { ...draft.slots[1]!, reg, mem: false };
  const slots = [draft.slots[0]!, source];
  return {
    ...draft,
    slots,
    dialect: reg === "r16" ? undefined : "nasm",
    modes: reg === "r64" ? draft.modes & 64 : draft.modes,
  };
}

/** NASM: `pinsrw xmm1, si, 0`, `pinsrb xmm1, sil, 0`, `kmovb k1, al`: from registers as wide as what is moved. */
function narrowSource(draft: Draft): Draft[] {
  const at = draft.slots.findIndex((slot) => slot.reg === "r32" && slot.place === "rm");
  const kind = /^(?:v?pinsr|kmov)([bw])$/.exec(draft.mnemonic)?.[1];
  if (kind === undefined || at < 0 || draft.evex !== undefined) return [];
  const source: Slot = { ...draft.slots[at]!, reg: kind === "b" ? "r8" : "r16", mem: false };
  return [{ ...draft, slots: draft.slots.with(at, source), dialect: "nasm" }];
}

/** NASM: outside 64-bit code the register is always an address of 16 bits, and in it a wide one costs a REX.W. */
function enqueued(draft: Draft): Draft[] {
  const nasm: Draft = { ...draft, dialect: "nasm" };
  const gas: Draft = { ...draft, dialect: "gas" };
  if (draft.slots[0]!.reg === "r64") return [gas, { ...nasm, operandSize: 64 }];
  if (draft.slots[0]!.reg === "r16") return [gas, nasm];
  return [gas, { ...nasm, modes: 64 }, { ...nasm, modes: draft.modes & ~64, addressSize: 16 }];
}

/** Instructions of processors that had no 64-bit mode: NASM takes them in every mode. */
const everywhereInNasm = ({ mnemonic, obsolete, modes }: Draft): boolean =>
  (mnemonic === "salc" || (obsolete && !/^(bnd|cmpxchg|f|mov$)/.test(mnemonic))) && (modes & 64) === 0;

export function asWritten(draft: Draft): Draft[] {
  const { mnemonic, operandSize } = draft;
  if (mnemonic === "loadall" && draft.opcode[0] === 0x05) return [];
  if (everywhereInNasm(draft))
    return [
      { ...draft, dialect: "gas" },
      { ...draft, modes: 16 | 32 | 64, dialect: "nasm", ...(NASM_PREFIXED.has(mnemonic) && { operandSize: 32 }) },
    ];
  if (WORD_ONLY.has(mnemonic)) return operandSize === 16 ? [{ ...draft, operandSize: 0 }] : [];
  if (isSegmentMove(draft, 0)) return [{ ...draft, operandSize: 0 }];
  if (mnemonic === "str" && operandSize === 64)
    return [
      { ...draft, dialect: "nasm" },
      { ...draft, default64: true, dialect: "gas" },
    ];
  if (isSegmentMove(draft, 1) || WORD_STORES.has(mnemonic)) return [{ ...draft, default64: true }];
  if (WORD_SOURCES.has(mnemonic)) {
    const own = draft.slots[1]!.reg;
    return [draft, ...CLASSES.filter((reg) => reg !== own).map((reg) => withSource(draft, reg))];
  }
  if (mnemonic === "pop" && draft.slots[0]?.only !== 0 && draft.opcode[0] === 0x0f)
    return [{ ...draft, operandSize: 0, dialect: "nasm" }];
  if (mnemonic === "bswap" && operandSize === 16) return [];
  if ((mnemonic === "movzx" || mnemonic === "movsx") && operandSize === 16 && draft.memoryBytes === 2) {
    return [{ ...draft, dialect: "gas" }];
  }
  if (NASM_PREFIXED.has(mnemonic))
    return [
      { ...draft, dialect: "gas" },
      { ...draft, operandSize: 32, dialect: "nasm" },
    ];
  if (mnemonic === "invpcid" && draft.modes === 64)
    return [
      { ...draft, dialect: "gas" },
      { ...draft, operandSize: 64, dialect: "nasm" },
    ];
  if (/^kmov[bw]$/.test(mnemonic)) return [draft, ...narrowSource(draft)];
  if (/^enqcmds?$/.test(mnemonic)) return enqueued(draft);
  if (mnemonic.startsWith("encodekey")) return [{ ...draft, operandSize: 32 }];
  if (mnemonic === "frstpm")
    return [
      { ...draft, modes: 16 | 32 | 64, dialect: "gas" },
      { ...draft, dialect: "nasm" },
    ];
  if (mnemonic === "fsetpm")
    return [
      { ...draft, wait: false, dialect: "nasm" },
      { ...draft, dialect: "gas" },
    ];
  if (NO_WIDE.test(mnemonic)) {
    const narrow: Draft = { ...draft, default64: true, vex: draft.vex && { ...draft.vex, w: 0 } };
    const exempt = mnemonic === "vextractps" && draft.evex !== undefined;
    const fromQuadword = !exempt && draft.slots.some((slot) => slot.reg === "r64") && NASM_NARROW.test(mnemonic);
    if (fromQuadword || (/^(pmovmskb|pextrw)$/.test(mnemonic) && draft.slots[1]?.reg === "mm" && operandSize === 64))
      return [{ ...narrow, dialect: "gas" }];
    const narrowest = narrowSource(narrow);
    if (!NASM_WIDE.test(mnemonic)) return [narrow, ...narrowest];
    return [{ ...narrow, dialect: "gas" }, { ...draft, dialect: "nasm" }, ...narrowest];
  }
  if (/^punpckl(bw|wd|dq)$/.test(mnemonic) && draft.slots[0]?.reg === "mm")
    return [
      { ...draft, memoryBytes: 8, dialect: "nasm" },
      { ...draft, dialect: "gas" },
    ];
  if (mnemonic === "ud1" && operandSize === 32)
    return [draft, { ...draft, slots: [], modrm: false, operandSize: 0, dialect: "nasm" }];
  if (mnemonic === "movsxd" && operandSize === 32) return [{ ...draft, dialect: "gas" }];
  if (mnemonic === "movsxd" && operandSize === 16)
    return [{ ...draft, memoryBytes: 4, slots: [draft.slots[0]!, { ...draft.slots[1]!, reg: "r32" }], dialect: "gas" }];
  if (/^(call|jmp)$/.test(mnemonic) && draft.slots[0]?.reg === "r16")
    return [
      { ...draft, dialect: "gas" },
      { ...draft, modes: draft.modes & ~64, dialect: "nasm" },
    ];
  if (mnemonic === "ud0" && draft.slots.length === 0) return [{ ...draft, dialect: "nasm" }];
  if (operandSize === 64 && FAR_64.test(mnemonic) && draft.slots.some((slot) => slot.mem && draft.memoryBytes === 10))
    return [{ ...draft, dialect: "nasm" }];
  if (/^(rd|wr)[fg]sbase$/.test(mnemonic) && draft.slots[0]!.reg === "r32")
    return [
      { ...draft, modes: 16 | 32 | 64, dialect: "gas" },
      { ...draft, dialect: "nasm" },
    ];
  // GNU as knows no other size keyword for a pair of bounds, whatever the mode.
  if (mnemonic === "bndmov" && draft.memoryBytes === 8)
    return [
      { ...draft, memoryBytes: 16, dialect: "gas" },
      { ...draft, dialect: "nasm" },
    ];
  if (/^(tpause|umwait)$/.test(mnemonic) && operandSize === 64) return [];
  if (mnemonic.startsWith("prefetchit"))
    return [
      { ...draft, modes: 64, dialect: "gas" },
      { ...draft, modes: 16 | 32 | 64, dialect: "nasm" },
    ];
  if (mnemonic === "bndmk")
    return [
      { ...draft, dialect: "gas" },
      { ...draft, dialect: "nasm", slots: [draft.slots[0]!, { ...draft.slots[1]!, addressing: "mib" }] },
    ];
  if (/^(rd|wr)[fg]sbase$/.test(mnemonic) && operandSize === 32)
    return [
      { ...draft, modes: 16 | 32 | 64, dialect: "gas" },
      { ...draft, dialect: "nasm" },
    ];
  if (mnemonic === "rdpid" && draft.slots[0]?.reg === "r32")
    return [
      { ...draft, dialect: "gas" },
      { ...draft, modes: 16 | 32 | 64, dialect: "nasm" },
    ];
  if (mnemonic === "vpextrd" && draft.evex === undefined)
    return [
      draft,
      {
        ...draft,
        slots: [{ ...draft.slots[0]!, reg: "r64", mem: false }, ...draft.slots.slice(1)],
        modes: 64,
        dialect: "nasm",
      },
    ];
  if (mnemonic === "vmovw" && draft.slots.some((slot) => slot.reg === "r64")) return [];
  if (mnemonic === "undoc") return [];
  return [draft];
}
