/**
 * An event from outside at every instruction that the kernel executes: a program that comes into it in every way is walked once, and
 * from each instruction in ring 0 run again with an NMI or a machine check there. Every later return to user mode must be as without.
 */
import { assemble, link } from "../../../src/asmlang/index.ts";
import costs from "../../../src/cli/costs-program.S?raw";
import { inShadow } from "../../../src/emu/cpu/between.ts";
import type { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { OFF, SEG, SEG_STRIDE, SEGF } from "../../../src/emu/cpu/layout.ts";
import entry64 from "../../../src/emu/kernel/entry/entry_64.S?raw";
import { inject } from "../../../src/emu/kernel/inject.ts";
import { createSystem, type System } from "../../../src/emu/kernel/system.ts";
import type { Injection } from "../../../src/emu/kernel/types.ts";
import type { StopReason } from "../../../src/emu/machine/types.ts";
import { findVsyscall } from "../../emu/kernel/vsyscall.ts";

export interface Setting {
  readonly vendor: "intel" | "amd";
  readonly designs: Readonly<Record<string, string>>;
  readonly program: keyof typeof PROGRAMS;
  /** A change to the kernel's entry code. */
  readonly change?: (text: string) => string;
  /** Of the kernel's instructions: which to try, first and last. */
  readonly range?: readonly [from: number, to: number];
  /** And of those every which. */
  readonly every?: number;
  readonly preset?: string;
}
/** A place where the event made a difference. */
export interface Break {
  readonly at: string;
  readonly why: string;
}

/** The vDSO's entry, SYSENTER or SYSCALL, from 32-bit code. */
const VSYSCALL = `${findVsyscall("esi")}	mov $20, %eax
	call *%esi
	pushf
	orl $0x100, (%esp)
	popf				# single steps end the program
	mov $20, %eax
	call *%esi
	mov $1, %eax
	int $0x80
`;
const NESTED: readonly Injection[] = [
  { at: "entry_SYSRETQ_unsafe_stack", event: "nmi" },
  { at: "exc_nmi", event: "mc" },
];
/** Calls that audit watches, of which one has a stub; and with work to do at the end. */
const AUDITED = `
	.globl _start
_start:	mov $39, %eax
	syscall
	mov $39, %eax
	.globl more
more:	syscall
	mov $57, %eax			# fork; the child goes on alone
	syscall
	mov $231, %eax
	xor %edi, %edi
	syscall
`;
/** A program that steps itself over system calls, and counts. */
const STEPS = `
	.globl _start
_start:	lea -256(%rsp), %rsp
	mov $13, %eax			# rt_sigaction(SIGTRAP)
	mov $5, %edi
	lea action(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	syscall
	pushfq
	orl $0x100, (%rsp)
	popfq
	mov $39, %eax
	syscall
	mov $20, %eax
	int $0x80
	pushfq
	andl $~0x100, (%rsp)
	popfq
	mov seen(%rip), %edi
	mov $60, %eax
	syscall
handler: incl seen(%rip)
	ret
restore: mov $15, %eax
	syscall
	.data
action:	.quad handler, 0x04000000, restore, 0
seen:	.long 0
`;
/** A machine check in an NMI's handler lets the next NMI in. */
const PROGRAMS = {
  "every way in": {
    bits: 64,
    text: costs,
    inject: [
      { at: "irq", event: "irq" },
      { at: "work", event: "tif:NOTIFY_RESUME" },
    ],
  },
  "the vDSO's entry": { bits: 32, text: VSYSCALL, inject: [] },
  "single steps": { bits: 64, text: STEPS, inject: [] },
  "audited calls": {
    bits: 64,
    text: AUDITED,
    inject: [
      { at: "entry_SYSCALL_64_after_hwframe", event: "work:SYSCALL_AUDIT" },
      { at: "more", event: "tif:USER_RETURN_NOTIFY" },
    ],
  },
  "inside an NMI": { bits: 64, text: costs, inject: NESTED },
} as const;
export const PROGRAM_NAMES = Object.keys(PROGRAMS) as (keyof typeof PROGRAMS)[];

/** Instructions that a run may take to its end. */
const MOST = 20_000;

function boot({ vendor, designs, program, change, preset = "linux-6.1" }: Setting): System {
  const { bits, text, inject: injections } = PROGRAMS[program];
  const image = link([assemble({ uri: "sweep.S", text }, { dialect: "gas", bits })]);
  return createSystem({
    arch: "x86_64",
    cpu: { vendor, model: "current", quirks: [] },
    cpus: 1,
    preset,
    designs,
    program: { kind: "image", name: "sweep", image },
    args: [],
    env: {},
    stdin: new Uint8Array(0),
    seed: 1,
    ramSize: 64 << 20,
    files: {},
    inject: injections,
    ...(change === undefined ? {} : { entrySource: { uri: "changed.S", text: change(entry64) } }),
  });
}

/** All that user mode can see of the processor, and the kernel's GS base, which it must never see. */
function userState(cpu: Cpu): string {
  const general = Array.from({ length: 16 }, (_, i) => cpu.gpr(i).toString(16));
  const segments = [SEG.CS, SEG.SS, SEG.DS, SEG.ES, SEG.FS, SEG.GS].map((seg) => {
    const base = cpu.get64(OFF.SEG + seg * SEG_STRIDE + SEGF.BASE).toString(16);
    return `${cpu.selector(seg).toString(16)}:${base}`;
  });
  const kernel = cpu.get64(OFF.KERNEL_GS_BASE).toString(16);
  return [...general, (cpu.getFlags() >>> 0).toString(16), ...segments, kernel].join(" ");
}

/** Returns to user mode and how it ended. */
class Recorder {
  returns: string[] = [];

  constructor(system: System) {
    system.machine.events.listen(
      (event) => {
        if (event.toCpl === 3) this.returns.push(`${event.toIp} ${userState(system.machine.cpus[event.cpu]!)}`);
      },
      ["exit"],
    );
  }
}

function ending(stop: StopReason): string {
  if (stop.kind === "exit") return `exit ${stop.status} ${stop.signal ?? ""}`;
  if (stop.kind === "shutdown") return stop.why;
  return stop.kind === "budget" ? "it does not end" : stop.kind;
}

export interface Swept {
  /** At how many instructions it was tried. */
  readonly tried: number;
  readonly breaks: Break[];
}

/** @returns what broke. A program that does not end even without any event is a break of its own, and nothing else is tried. */
export function sweep(setting: Setting, event: "nmi" | "mc"): Swept {
  const reference = boot(setting);
  const expected = new Recorder(reference);
  const end = ending(reference.run(MOST));
  if (reference.kernel.state.exit === undefined) return { tried: 0, breaks: [{ at: "without any event", why: end }] };

  const system = boot(setting);
  const recorder = new Recorder(system);
  const { machine, kernel } = system;
  const cpu = machine.cpus[0]!;
  const breaks: Break[] = [];
  let tried = 0;
  const [from, to] = setting.range ?? [0, MOST];
  let reached = 0;
  while (kernel.state.exit === undefined && reached < to) {
    if (cpu.get32(OFF.CPL) === 0 && ++reached >= from && reached % (setting.every ?? 1) === 0) {
      tried++;
      const before = machine.save();
      const made = [...recorder.returns];
      const at = BigInt.asUintN(64, cpu.rip);
      const held = event === "nmi" && inShadow(cpu);
      inject(kernel, cpu, event);
      const stop = ending(system.run(MOST));
      const seen = held ? withoutOwnReturn(recorder.returns, made.length) : recorder.returns;
      const why = difference(expected.returns, seen, end, stop);
      if (why !== undefined) breaks.push({ at: placeOf(system, at), why });
      machine.restore(before);
      recorder.returns = made;
    }
    const stop = system.run(1);
    if (stop.kind === "shutdown") throw new Error(stop.why);
  }
  return { tried, breaks };
}

/**
 * An NMI that the shadow of STI holds back over SYSEXIT strikes user mode, and returns there once more, to the state it found: of these
 * two returns, the second is left out. `next` is the index of the first of them.
 */
const withoutOwnReturn = (returns: readonly string[], next: number): string[] =>
  returns.filter((state, i) => i !== next + 1 || state !== returns[next]);

function difference(wanted: readonly string[], seen: readonly string[], end: string, stop: string): string | undefined {
  if (stop !== end) return stop;
  const at = wanted.findIndex((state, i) => seen[i] !== state);
  if (at >= 0) return `return ${at + 1} to user mode: ${differing(wanted[at]!, seen[at] ?? "none")}`;
  return seen.length === wanted.length ? undefined : `${seen.length} returns to user mode, not ${wanted.length}`;
}
const differing = (wanted: string, seen: string): string => {
  const [a, b] = [wanted.split(" "), seen.split(" ")];
  const i = a.findIndex((item, n) => item !== b[n]);
  return `${a[i]} became ${b[i]}`;
};

/** The last label at or before an address of the kernel. */
function placeOf({ kernel }: System, address: bigint): string {
  let best: readonly [string, bigint] | undefined;
  for (const [name, value] of kernel.image.symbols)
    if (value <= address && (best === undefined || value > best[1])) best = [name, value];
  return best === undefined ? `0x${address.toString(16)}` : `${best[0]}+${address - best[1]}`;
}
