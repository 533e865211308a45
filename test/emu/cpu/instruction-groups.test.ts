/**
 * docs/instructions.md lists every group of instructions that the decoder knows, and what of it has an operation. This test makes the
 * table anew and compares; `UPDATE_DOCS=1 npx vitest run test/emu/cpu/instruction-groups.test.ts` writes it.
 */
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import { Code, CpuidFeature, Instruction, Mnemonic } from "../../../src/emu/cpu/iced.ts";
import type { Insn } from "../../../src/emu/cpu/operation.ts";
import { UNIMPLEMENTED } from "../../../src/emu/cpu/ops/core.ts";
import { operationOf } from "../../../src/emu/cpu/ops/index.ts";
import { announcedOn } from "./features.ts";

const DOC = path.resolve(import.meta.dirname, "../../../docs/instructions.md");

/** Why a group, by the start of its name, is absent. The first that fits counts; every absent group needs one. */
const REASONS: readonly (readonly [RegExp, string])[] = [
  [/^(AVX512|AVX5124|AVX10|KNCNI)/, "AVX-512: CPUID says absent, #UD"],
  [/^(AMX)/, "AMX: CPUID says absent, #UD"],
  [/^(VMX|SVM|SEV|SEAM|TDX|SKINIT|VMM|OSS|TSE)/, "virtualization: CPUID says absent, #UD"],
  [
    /^(SGX|SMX|PCOMMIT|PCONFIG|TSX|RTM|HLE|MPX|CET|UINTR|KL|AESKLE|WIDE_KL|HRESET|ENQCMD|LKGS|FRED|MSRLIST|RAO_INT|WRMSRNS|CMPCCXADD|PKU|PTWRITE|UDBG)/,
    "CPUID says absent, #UD",
  ],
  [
    /^(PADLOCK|CYRIX|CENTAUR|GEODE|D3NOW|XOP|FMA4|TBM|LWP|CL1INVMB|MULTIBYTENOP_CYRIX|UMOV|SSE5|IA64)/,
    "of one vendor's older or other processors",
  ],
  [
    /^(MOV_TR|INTEL386_A0_ONLY|INTEL486_A_ONLY|INTEL286_ONLY|INTEL386_ONLY|INTEL386_486_ONLY|INTEL8086_ONLY|FPU287|FPU387SL_ONLY|FPU287XL_ONLY)/,
    "of processors before the Pentium only",
  ],
  [/^(RMPQUERY|INVLPGB|MCOMMIT)/, "AMD's: CPUID says absent, #UD"],
  [/^SMM$/, "RSM: #UD outside system-management mode, which there is none of"],
];

/** Directives of the decoder's library, and names that stand for WAIT and another instruction. */
const NO_INSTRUCTIONS: ReadonlySet<string> = new Set(
  "DB DW DD DQ ZERO_BYTES FCLEX FDISI FENI FINIT FSAVE FSTCW FSTENV FSTSW FSETPM FSTDW FSTSG".split(" "),
);
/** Knights Corner's encodings take the place of other instructions; the decoder is not asked for them. */
const OTHER_DECODING = /^KNC/;

const OLD_ENCODINGS = /^(INTEL8086_ONLY|INTEL486_A_ONLY|MOV_TR)$/;

interface Group {
  vendors: Set<"intel" | "amd">;
  supported: Set<string>;
  missing: Set<string>;
}

function groups(): Map<string, Group> {
  const found = new Map<string, Group>();
  const instruction = new Instruction();
  for (const code of Object.values(Code).filter((value): value is number => typeof value === "number" && value !== 0)) {
    instruction.code = code;
    const { mnemonic } = instruction;
    const feature = [...instruction.cpuidFeatures()].map((each) => CpuidFeature[each]!).join(" and ");
    const name = Mnemonic[mnemonic]!.toUpperCase();
    if (NO_INSTRUCTIONS.has(name) || OTHER_DECODING.test(feature)) continue;
    const insn = { code, mnemonic, ops: [] } as unknown as Insn;
    const group = found.get(feature) ?? { supported: new Set(), missing: new Set(), vendors: new Set() };
    found.set(feature, group);
    // Other encodings have taken the bytes of these.
    const there = operationOf(insn) !== UNIMPLEMENTED && !OLD_ENCODINGS.test(feature);
    (there ? group.supported : group.missing).add(name);
    for (const vendor of announcedOn(code, Code[code]!)) group.vendors.add(vendor);
  }
  instruction.free();
  return found;
}

const NAMES = { intel: "Intel", amd: "AMD" } as const;

function row([feature, { supported, missing, vendors }]: readonly [string, Group]): string {
  const absent = [...missing].filter((name) => !supported.has(name)).sort();
  const reason = REASONS.find(([pattern]) => pattern.test(feature))?.[1];
  const state = supported.size === 0 ? "no" : absent.length === 0 ? "yes" : "in part";
  if (absent.length > 0 && reason === undefined)
    throw new Error(`${feature}: no reason why ${absent.join(" ")} is absent`);
  const only = vendors.size === 1 ? `${NAMES[[...vendors][0]!]} only: elsewhere CPUID says absent, #UD` : "";
  const without = supported.size === 0 ? reason : absent.length > 0 ? `${absent.join(" ")}: ${reason}` : only;
  return `| ${feature} | ${supported.size + absent.length} | ${state} | ${without} |`;
}

function document(): string {
  const rows = [...groups()].sort(([a], [b]) => (a < b ? -1 : 1)).map(row);
  return `# Instructions

Every group of instructions that the decoder knows, by the CPUID feature that announces it. What is not there raises #UD, as on a
processor without it, and is reported once by name; CPUID does not announce it. Made from the tables by \`test/emu/cpu/instruction-groups.test.ts\`.

| group | instructions | there | without, or why not |
|---|---|---|---|
${rows.join("\n")}
`;
}

it("docs/instructions.md is what the tables say", () => {
  const made = document();
  if (process.env.UPDATE_DOCS) writeFileSync(DOC, made);
  expect(readFileSync(DOC, "utf8")).toBe(made);
});
