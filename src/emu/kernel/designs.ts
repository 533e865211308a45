/**
 * Designs: the ways the kernel can do one thing, as values in a table. A design acts only through the symbols it defines for the
 * entry code and the hooks that the parts it concerns ask for; nothing else in the kernel asks which one is chosen.
 */
import { PRESETS } from "./presets.ts";

export interface DesignHooks {
  /** The 64-bit kernel sets up espfix stacks at boot and its exception handlers know them. */
  readonly espfix64?: boolean;
  /** The same for the 32-bit kernel's espfix segment. */
  readonly espfix32?: boolean;
}

export interface Design {
  readonly key: string;
  readonly value: string;
  /** Ids of the systems it serves. */
  readonly systems: readonly string[];
  readonly summary: string;
  /** Where it is described. */
  readonly source: string;
  /** Symbols predefined for entry/*.S. */
  readonly defines: Readonly<Record<string, number>>;
  readonly hooks: DesignHooks;
}

export const DESIGNS: readonly Design[] = [
  {
    key: "espfix",
    value: "final",
    systems: ["E2", "E3", "E6"],
    summary:
      "IRET to an LDT stack segment from a ministack whose alias carries the user's ESP[31:16]; read-only alias, #DF becomes #GP",
    source: "Linux 6.1, arch/x86/kernel/espfix_64.c and entry/entry_64.S",
    defines: { CONFIG_X86_ESPFIX64: 1, CONFIG_X86_ESPFIX32: 1 },
    hooks: { espfix64: true, espfix32: true },
  },
  {
    key: "espfix",
    value: "none",
    systems: ["E1"],
    summary: "IRET straight from the kernel stack: a 16-bit stack segment leaks the kernel's ESP[31:16]",
    source: "Linux 6.1 with CONFIG_X86_ESPFIX64 and CONFIG_X86_ESPFIX32 off",
    defines: { CONFIG_X86_ESPFIX64: 0, CONFIG_X86_ESPFIX32: 0 },
    hooks: {},
  },
];

/** The designs in force: one of each key. */
export interface Choice {
  readonly preset: string;
  readonly values: Readonly<Record<string, string>>;
  readonly defines: Readonly<Record<string, number>>;
  readonly hooks: DesignHooks;
}

/** @returns the choice, or one clear sentence about what is wrong with the request. */
export function chooseDesigns(preset: string, overrides: Readonly<Record<string, string>>): Choice | string {
  const base = PRESETS.find((p) => p.name === preset);
  if (base === undefined) return `unknown kernel preset "${preset}" (known: ${PRESETS.map((p) => p.name).join(", ")})`;
  const values = { ...base.designs, ...overrides };
  const chosen: Design[] = [];
  for (const [key, value] of Object.entries(values)) {
    const known = DESIGNS.filter((d) => d.key === key);
    if (known.length === 0)
      return `unknown design "${key}" (known: ${[...new Set(DESIGNS.map((d) => d.key))].join(", ")})`;
    const design = known.find((d) => d.value === value);
    if (design === undefined)
      return `unknown value "${value}" for design ${key} (known: ${known.map((d) => d.value).join(", ")})`;
    chosen.push(design);
  }
  return {
    preset,
    values,
    defines: Object.assign({}, ...chosen.map((d) => d.defines)),
    hooks: Object.assign({}, ...chosen.map((d) => d.hooks)),
  };
}
