/**
 * What a selftest must print. Where this host has what it tests, that is what it prints natively, with the lines changed that another
 * processor, a smaller one or the 32-bit kernel answers differently; each such rule says why. Where the host lacks it (ports, vm86), it is
 * the lines of the test's branches of success.
 */
import { spawnSync } from "node:child_process";
import { masked } from "./mask.ts";
import { fromSuccessBranches } from "./success.ts";

export interface Target {
  readonly arch: "x86_64" | "i386";
  readonly vendor: "intel" | "amd";
  readonly designs?: Readonly<Record<string, string>>;
  readonly preset?: string;
}
type Lines = readonly string[];
type Change = (lines: Lines) => Lines;
interface Rule {
  readonly tests: readonly string[];
  readonly on: (target: Target) => boolean;
  readonly why: string;
  readonly change: Change;
}

const amdLong = ({ arch, vendor }: Target): boolean => arch === "x86_64" && vendor === "amd";
const i386 = ({ arch }: Target): boolean => arch === "i386";
const drop =
  (pattern: RegExp): Change =>
  (lines) =>
    lines.filter((line) => !pattern.test(line));
/** The line after each one that matches. */
const after =
  (marker: RegExp, change: (line: string) => string): Change =>
  (lines) =>
    lines.map((line, i) => (marker.test(lines[i - 1] ?? "") ? change(line) : line));
const all =
  (...changes: readonly Change[]): Change =>
  (lines) =>
    changes.reduce((result, change) => change(result), lines);
const replace =
  (from: RegExp, to: string): Change =>
  (lines) =>
    lines.map((line) => line.replace(from, to));

const NO_SYSENTER = "AMD processors have no SYSENTER in long mode: #UD (APM volume 3, SYSENTER)";
const NO_64_BIT = "a 32-bit kernel has other selectors, no 64-bit code segment, and tells a failed IRET as ILL_BADSTK";

const RULES: readonly Rule[] = [
  {
    tests: ["sigaltstack"],
    on: () => true,
    why: "the first of two tests needs a signal frame larger than MINSIGSTKSZ: the host has AVX-512 state, this processor has not",
    change: (lines) =>
      lines.slice(
        Math.max(
          0,
          lines.findIndex((line) => line.includes("of sufficient size")),
        ),
      ),
  },
  {
    tests: ["fsgsbase"],
    on: () => true,
    why: "a timer interrupt of the host between the load of a null selector and the switch: its IRET clears the selector, and the test takes both",
    change: replace(/changed from (\S+) to \S+ because IRET is defective/, "remained $1"),
  },
  {
    tests: ["test_syscall_vdso"],
    on: () => true,
    why: "arithmetic flags differ only where mitigations run before the flags are saved; here they are off",
    change: drop(/^\[WARN\]\tFlags/),
  },
  {
    tests: ["test_syscall_vdso"],
    on: i386,
    why: "a 32-bit kernel has no R8 to R15 to look at",
    change: (lines) => ["[NOTE]\tNot a 64-bit kernel, won't test R8..R15 leaks", ...drop(/R8\.\.R15|R11/)(lines)],
  },
  {
    tests: ["single_step_syscall", "mov_ss_trap"],
    on: amdLong,
    why: NO_SYSENTER,
    change: after(/SYSENTER$/, (line) => line.replace("SIGSEGV", "SIGILL")),
  },
  {
    tests: ["syscall_arg_fault"],
    on: amdLong,
    why: `${NO_SYSENTER}; SYSCALL from 32-bit code is AMD's alone`,
    change: all(
      after(/\] *\tSYSCALL/, (line) => line.replace("[SKIP]\tIllegal instruction", "[OK]\tSeems okay")),
      after(/\] *\tSYSENTER/, () => "[SKIP]\tIllegal instruction"),
    ),
  },
  {
    tests: ["ldt_gdt"],
    on: i386,
    why: "the TLS entries of a 32-bit kernel's GDT begin at 6",
    change: replace(/(GDT index|GDT entry) 13/, "$1 7"),
  },
  {
    tests: ["sigreturn"],
    on: i386,
    why: NO_64_BIT,
    change: all(
      (lines) =>
        lines.flatMap((line, i) => {
          const size = /Valid sigreturn: 64-bit CS \(33\), (\d+)-bit SS/.exec(line)?.[1];
          const warning = "[WARN]\tCould not find 64-bit CS";
          if (size !== undefined) return [warning, `[SKIP]\tCode segment unavailable for 64-bit CS, ${size}-bit SS`];
          if (line.includes("64-bit CS (33), bogus")) return [warning];
          return lines[i - 1]?.includes("64-bit CS (33)") === true ? [] : [line];
        }),
      replace(/\(23\)/g, "(73)"),
      replace(/\(2b/, "(7b"),
      replace(/Got #\w+\(.*/, "Got #IRET(0x#) (i.e. Illegal instruction)"),
    ),
  },
];

/** The whole transcript that `file`, the test `name`, must give on `target`; undefined = the host does not run it to its end. */
export function expectedTranscript(file: string, name: string, target: Target): Lines | undefined {
  const success = fromSuccessBranches(name, target);
  if (success !== undefined) return masked(success);
  const { status, stdout } = spawnSync(file, [], { encoding: "utf8", timeout: 20_000 });
  if (status === null) return undefined;
  const rules = RULES.filter(({ tests, on }) => tests.includes(name) && on(target));
  return rules.reduce((lines, { change }) => change(lines), masked(stdout) as Lines);
}

/** Lines that are not as they must be, once both are masked. */
export function differences(transcript: string, expected: Lines): string[] {
  const here = masked(transcript);
  const count = Math.max(here.length, expected.length);
  return Array.from({ length: count }, (_, i) =>
    here[i] === expected[i] ? "" : `line ${i + 1}: "${here[i] ?? ""}", not "${expected[i] ?? ""}"`,
  ).filter((line) => line !== "");
}
