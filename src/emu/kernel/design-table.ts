/**
 * Every design: a way for the kernel to do one thing, that Linux had or that somebody proposed. All values of a key define the same
 * symbols for entry/*.S, so that its conditions always have something to ask.
 */
import type { Design, Espfix64, EspfixInit } from "./designs.ts";

const ESPFIX64_POST =
  'H. Peter Anvin, "x86-64: espfix for 64-bit mode *PROTOTYPE*", April 2014, as its review quotes it';
const ESPFIX64_MERGED = "Linux 6.1, arch/x86/kernel/espfix_64.c and entry/entry_64.S";

interface Key {
  readonly key: string;
  readonly systems: readonly string[];
}
const make =
  ({ key, systems }: Key) =>
  (value: string, rest: Omit<Design, keyof Key | "value">): Design => ({ key, systems, value, ...rest });

const espfixDefines = (form: "none" | "prototype" | "final", stackSize: number) => ({
  CONFIG_X86_ESPFIX64: form === "none" ? 0 : 1,
  CONFIG_X86_ESPFIX32: form === "none" ? 0 : 1,
  ESPFIX64_PROTOTYPE: form === "prototype" ? 1 : 0,
  ESPFIX_STACK_SIZE: stackSize,
});
const prototype = (stackSize: Espfix64["stackSize"]) => ({
  defines: espfixDefines("prototype", stackSize),
  hooks: { espfix64: { stackSize, writable: true, random: false }, espfix32: true },
});

const espfix = make({ key: "espfix", systems: ["E1", "E2", "E3", "E4", "E6"] });
const ESPFIX: readonly Design[] = [
  espfix("final", {
    summary:
      "IRET to an LDT stack segment from a ministack whose alias carries the user's ESP[31:16]; read-only alias, #DF becomes #GP",
    source: ESPFIX64_MERGED,
    defines: espfixDefines("final", 64),
    hooks: { espfix64: { stackSize: 64, writable: false, random: true }, espfix32: true },
  }),
  espfix("prototype", {
    summary:
      "only for 16-bit stacks of 16- and 32-bit code; writable alias, and espfix_fix_stack copies a fault's frame back to the real stack",
    source: `${ESPFIX64_POST}; its 64 bytes are 128 here, the thirteen words that a fault needs`,
    ...prototype(128),
  }),
  espfix("prototype-64", {
    summary: "the prototype with 64 bytes a CPU as posted: a fault's frame goes below them",
    source: ESPFIX64_POST,
    ...prototype(64),
  }),
  espfix("none", {
    summary: "IRET straight from the kernel stack: a 16-bit stack segment leaks the kernel's ESP[31:16]",
    source: "Linux 6.1 with CONFIG_X86_ESPFIX64 and CONFIG_X86_ESPFIX32 off",
    defines: espfixDefines("none", 64),
    hooks: {},
  }),
];

const espfixInit = make({ key: "espfixInit", systems: ["E5"] });
const init = (value: string, summary: string, source: string, hook: EspfixInit): Design =>
  espfixInit(value, { summary, source, defines: {}, hooks: { espfixInit: hook } });
const REVIEW = "Andy Lutomirski's review of the espfix64 prototype, April 2014";
const ESPFIX_INIT: readonly Design[] = [
  init("boot", "every CPU at its boot; a list of pages says which are mapped", ESPFIX64_MERGED, {
    when: "boot",
    tables: "each",
    known: "list",
  }),
  init(
    "probe",
    "every CPU when it first loads an LDT; it walks to its address to see if another was there",
    ESPFIX64_POST,
    {
      when: "load-ldt",
      tables: "each",
      known: "probe",
    },
  ),
  init("once", "page tables of all CPUs in one step at boot, and a static flag", REVIEW, {
    when: "boot",
    tables: "all",
    known: "flag",
  }),
  init("modify-ldt", "page tables of all CPUs at the first modify_ldt, and a static flag", REVIEW, {
    when: "modify-ldt",
    tables: "all",
    known: "flag",
  }),
];

export const DESIGNS: readonly Design[] = [...ESPFIX, ...ESPFIX_INIT];
