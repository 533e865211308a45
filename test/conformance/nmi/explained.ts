/** Designs under which something breaks, and why: the breaks must be of the kind that the reason is about, in the programs it is about. */
import type { Break } from "./sweep.ts";

export interface Explanation {
  readonly why: string;
  /** Programs of the sweep that show it. */
  readonly programs: readonly string[];
  /** What the breaks look like. */
  readonly evidence: RegExp;
}

export const isExplained = ({ programs, evidence }: Explanation, program: string, { at, why }: Break): boolean =>
  programs.includes(program) && evidence.test(`${at}: ${why}`);

const NMI_HANDLER = [
  "asm_exc_nmi",
  "exc_nmi",
  "asm_exc_machine_check",
  "exc_machine_check",
  "paranoid_entry",
  "paranoid_exit",
  "restore_regs_and_return_to_kernel",
  "native_iret",
  "native_irq_return_iret",
];

export const EXPLAINED: ReadonlyMap<string, Explanation> = new Map<string, Explanation>([
  [
    "nmi=plain",
    {
      why: "an NMI that strikes another one after an IRET in its handler starts at the top of the same stack, over the first one's frame",
      programs: ["inside an NMI"],
      // from an NMI's first instruction to its IRET, the machine check in its handler included: the second IRET returns to the first for ever
      evidence: new RegExp(`^(${NMI_HANDLER.join("|")})\\+\\d+: it does not end$`),
    },
  ],
  [
    "sysret=no-rf-tf-check",
    {
      why: "a SYSRET that sets TF traps before the next instruction, whose handler's return sets TF again: a program that steps itself never moves on",
      programs: ["single steps"],
      evidence: /^without any event: it does not end$/,
    },
  ],
]);
