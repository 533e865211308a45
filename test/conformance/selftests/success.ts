/**
 * Transcripts of tests for which hosts often lack the system calls, put together from what the tests say where each check succeeds. A
 * child that ends with text in its buffer repeats what its parent had there when it forked, as it does for any Linux program whose output
 * is no terminal.
 */
import type { Target } from "./expected.ts";

const text = (...parts: readonly (readonly string[])[]): string => `${parts.flat().join("\n")}\n`;
const worked = (port: string): string => `[OK]\toutb to ${port} worked`;
const failed = (port: string): string => `[OK]\toutb to ${port} failed`;

/** With IOPL 3 emulated, ports are open and CLI and STI do nothing. */
function iopl(): string {
  const before = ["[OK]\tCLI NOPped", "[OK]\tSTI NOPped", worked("0x80"), worked("0x80"), failed("0xed")];
  const child = ["\tchild: set IOPL to 3", "[RUN]\tchild: write to 0x80"];
  const parent = [
    "[OK]\tChild succeeded",
    "[RUN]\tparent: write to 0x80 (should fail)",
    failed("0x80"),
    "[OK]\tCLI faulted",
  ];
  const unprivileged = [
    "[OK]\tSTI faulted",
    "\tiopl(3)",
    "\tDrop privileges",
    "[RUN]\tiopl(3) unprivileged but with IOPL==3",
    "[RUN]\tiopl(0) unprivileged",
    "[RUN]\tiopl(3) unprivileged",
    "[OK]\tFailed as expected",
  ];
  return text(before, child, before, parent, unprivileged);
}

function ioperm(): string {
  const closed = [failed("0x80"), failed("0xed")];
  const open = [worked("0x80"), failed("0xed")];
  const before = [...closed, "[RUN]\tenable 0x80", ...open, "[RUN]\tdisable 0x80", ...closed];
  const child = [
    "[RUN]\tchild: check that we inherited permissions",
    ...open,
    "[RUN]\tchild: Extend permissions to 0x81",
    "[RUN]\tchild: Drop permissions to 0x80",
    failed("0x80"),
  ];
  const parent = [
    "[OK]\tChild succeeded",
    "\tVerify that unsharing the bitmap worked",
    worked("0x80"),
    "\tDrop privileges",
    "[RUN]\tdisable 0x80",
    "[OK]\tit worked",
    "[RUN]\tenable 0x80 again",
    "[OK]\tit failed",
  ];
  return text(before, child, before, parent);
}

/** One program run in v8086 mode: what ended it, and the signal that was delivered for it. */
const run = (name: string, how: string, signal?: string): string[] => [
  `[RUN]\t${name} from vm86 mode`,
  ...(signal === undefined ? [] : [`[INFO]\t${signal}: FLAGS = 0x286, CS = 0x73`]),
  `[INFO]\tExited vm86 mode due to ${how}`,
  "[OK]\tReturned correctly",
];

/** VIP and IF decide whether STI and POPF end the call; the instructions of UMIP are emulated but for STR and SLDT. */
function vm86(): string {
  const once = [
    ...run("#BR", "#BR"),
    ...run("SYSENTER", "unhandled GP fault"),
    ...run("SYSCALL", "a signal", "SIGILL"),
    ...run("STI with VIP set", "STI"),
    ...run("POPF with VIP set and IF clear", "unhandled GP fault"),
    ...run("POPF with VIP and IF set", "STI"),
    ...run("POPF with VIP clear and IF set", "unhandled GP fault"),
    ...run("INT3", "a trap (arg=3)"),
    ...run("int80", "#128"),
    "[RUN]\tUMIP tests from vm86 mode",
    "[INFO]\tExited vm86 mode due to a trap (arg=3)",
    "[OK]\tReturned correctly",
    "[INFO]\tResult from SMSW:[0x0033]",
    "[INFO]\tResult from SIDT: limit[0x0000]base[0x00000000]",
    "[INFO]\tResult from SGDT: limit[0x0000]base[0x00000000]",
    ...["SMSW", "SGDT", "SIDT"].map((name) => `[PASS]\tAll the results from ${name} are identical.`),
    ...run("STR instruction", "a signal", "SIGILL"),
    ...run("SLDT instruction", "a signal", "SIGILL"),
    ...run("Execute null pointer", "a signal", "SIGSEGV"),
  ];
  return text(once, once);
}

/** undefined = the host can be asked. */
export function fromSuccessBranches(name: string, { arch }: Target): string | undefined {
  if (name === "iopl") return iopl();
  if (name === "ioperm") return ioperm();
  return name === "entry_from_vm86" && arch === "i386" ? vm86() : undefined;
}
