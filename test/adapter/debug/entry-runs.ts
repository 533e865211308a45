/** Programs, kernels and events from outside that between them come to the kernels' entry code: scenarios, and programs of a few lines. */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { pathToFileURL } from "node:url";
import { readConfiguration } from "../../../src/adapter/debug/configuration.ts";
import { translate } from "../../../src/adapter/debug/guest-memory.ts";
import { createTarget } from "../../../src/adapter/debug/load.ts";
import type { Target } from "../../../src/adapter/debug/target.ts";
import type { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { OFF } from "../../../src/emu/cpu/layout.ts";

const files = { read: async (uri: string) => new Uint8Array(readFileSync(new URL(uri))) };
const SCENARIOS = path.join(import.meta.dirname, "../../../scenarios");

export interface Run {
  readonly name: string;
  readonly program: string;
  readonly launch: Readonly<Record<string, unknown>>;
  /** Whether user mode may raise any vector that has no error code by INT. */
  readonly gates?: boolean;
  /** Where somebody who debugs the kernel takes its stack away. */
  readonly breakStackAt?: string;
  /** What is typed into the debug console, at one place after the other. */
  readonly typed?: Typed;
}

export type Typed = readonly (readonly [place: string, ...texts: string[]])[];

export async function load({ program, launch, gates = false }: Run): Promise<Target> {
  // one CPU: the shadow stack follows one thread of control at a time
  const loaded = await createTarget(
    { ...readConfiguration({ ...launch, program: pathToFileURL(program).href }), cpus: 1 },
    files,
  );
  if (loaded.target === undefined) throw new Error(loaded.problem);
  if (gates) openGates(loaded.target.machine.currentCpu);
  return loaded.target;
}

const LMA = 0x400;
const WITH_ERROR_CODE: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17]);

/** DPL 3. */
function openGates(cpu: Cpu): void {
  const size = (cpu.get32(OFF.EFER) & LMA) === 0 ? 8 : 16;
  for (let vector = 0; vector < 20; vector++) {
    const at = translate(cpu, cpu.getAddr(OFF.IDTR_BASE) + vector * size + 5)!;
    if (!WITH_ERROR_CODE.has(vector)) cpu.core.u8[cpu.core.ramBase + at]! |= 0x60;
  }
}

const SCENARIO_RUNS = scenarios();

function scenarios(): Run[] {
  return readdirSync(SCENARIOS).flatMap((name) => {
    const { program, launch } = JSON.parse(readFileSync(path.join(SCENARIOS, name, "scenario.json"), "utf8"));
    return [{ name, program: path.join(SCENARIOS, name, program), launch }];
  });
}

/** `place event count`; there may be a condition in the place. */
const injected = (...points: string[]) =>
  points.map((point) => {
    const [, at, event, count] = /^(.+?) ([a-z]\S*)(?: (\d+))?$/.exec(point)!;
    return { at, event, count: Number(count ?? 1) };
  });
const INJECT = injected(
  ...[
    "handler nmi 2",
    "handler mc 3",
    "handler irq:40 4",
    "handler irq:253 5",
    "handler irq:255 5",
    "user_copy irq",
    "restorer nmi",
  ],
);
/**
 * NMIs inside the first one, wherever it asks whether it is. A machine check's IRET lets the next one in, where the first one has not said yet
 * that it is at work; the last one strikes where it has just taken that back. The first one strikes where no machine check does, for a second
 * one of those writes over the frame of the first.
 */
const NESTED = injected(
  ...["entry_SYSCALL_64_after_hwframe nmi", "repeat_nmi nmi", "repeat_nmi mc", "exc_nmi nmi", "nmi_restore nmi"],
  "nmi_restore+37 nmi",
);
const ON_I386 = injected(
  "restore_all nmi",
  "restore_all mc",
  "restore_all if ss == 0xd0 nmi",
  "irq_return if ss == 0xd0 nmi",
  "irq_return if ss == 0xd0 mc",
  "small_stack nmi",
  "do_int80_syscall_32 nmi",
);
const WATCHED = injected("audited work:SYSCALL_AUDIT", "traced work:SYSCALL_TRACEPOINT");
/** Where the way out in assembly asks audit, more to do comes up meanwhile. */
const MORE_WORK = injected("__audit_syscall_exit tif:NEED_RESCHED");
/** An interrupt of the kernel, which is a place to schedule. */
const PREEMPTED = injected("fast_path_check_entry_work tif:NEED_RESCHED", "fast_path_check_entry_work irq");

const own = (name: string, launch: Record<string, unknown>, inject: readonly object[] = []): Run => ({
  name: `${name} ${JSON.stringify(launch)}`,
  program: path.join(import.meta.dirname, `${name}.s`),
  launch: { seed: 1, ...launch, inject: [...INJECT, ...inject] },
  gates: true,
});

const I386 = { arch: "i386", bits: 32, cpu: "intel" };
const X86_64 = { arch: "x86_64", cpu: "intel" };
const AMD = { arch: "x86_64", cpu: "amd" };

type Kernel = readonly [on: object, kernel: object, inject?: readonly object[]];
/** 64-bit programs. */
const WIDE: readonly Kernel[] = [
  [X86_64, {}, NESTED],
  [X86_64, { preset: "linux-3.14" }, NESTED],
  [X86_64, { preset: "linux-4.0", preempt: "full" }, [...PREEMPTED, ...injected("exc_invalid_op tif:NEED_RESCHED")]],
  [X86_64, { preset: "linux-4.0", exitPaths: "conditional-swapgs" }],
  [AMD, { preset: "linux-4.6" }],
  [X86_64, { preset: "linux-4.6", pti: "on", exitLoop: "assembly" }],
  [X86_64, { pti: "on" }, injected("exc_nmi if pt_regs.ip == restorer mc")],
  [X86_64, { nmi: "plain", exitPaths: "conditional-swapgs" }],
  [X86_64, { espfix: "prototype", exitPaths: "tif-iret" }],
  [X86_64, { audit: "fast-path" }],
  [X86_64, { exitLoop: "assembly" }],
];

/** 32-bit programs on the 64-bit kernel: which between them have every way in and out. */
const COMPAT: readonly Kernel[] = [
  [X86_64, {}],
  [AMD, { preset: "linux-4.6" }],
  [X86_64, { preset: "linux-4.0" }],
  [AMD, { preset: "linux-4.0" }],
  [X86_64, { preset: "linux-3.14" }],
  [X86_64, { preset: "linux-4.0", pti: "on" }],
  [AMD, { preset: "linux-4.0", pti: "on" }],
  [X86_64, { pti: "on" }],
  [AMD, { pti: "on" }],
  [X86_64, { espfix: "prototype" }],
  [X86_64, { audit: "fast-path" }],
  [X86_64, { compat: "assembly" }],
  [AMD, { compat: "assembly" }],
  [X86_64, { preset: "linux-4.6", compat: "assembly" }],
  [AMD, { preset: "linux-4.6", compat: "assembly" }],
  [X86_64, { preset: "linux-4.0", exitLoop: "c" }],
];
const WORK = [...WATCHED, ...MORE_WORK];

/**
 * What a debugger's user may make of the kernel: #NM is forgiven, an INT3 is in the way, #NP has #TS's gate, the IRET is where a K8 would say that
 * it is, and a child is a thread of the kernel's first.
 */
const EDITED: Typed = [
  [
    "_start",
    "byte [exc_device_not_available] = 0xc3",
    "byte [exc_coproc_segment_overrun] = 0xcc",
    "word [idtr.base + 11 * 16] = asm_exc_invalid_tss",
    "word [idtr.base + 11 * 16 + 6] = asm_exc_invalid_tss >> 16",
  ],
  ["forgiven"],
  ["native_irq_return_iret", "rip = native_irq_return_iret & 0xffffffff"],
  ["ret_from_fork", "rbx = exc_device_not_available"],
];
/** The IRET on the ministack is an INT, and has never been one: it is where the entry's frame says, below an error code if the vector has one. */
const onMinistack = ([entry, vector]: readonly [entry: string, vector: number]): Typed => [
  ["espfix_on_ministack", `word [native_irq_return_iret] = 0xcd | ${vector} << 8`],
  [
    entry,
    "word [native_irq_return_iret] = 0xcf48",
    "qword [rsp] = native_irq_return_iret",
    ...(WITH_ERROR_CODE.has(vector) ? ["rsp = rsp - 8", "qword [rsp] = 0"] : []),
  ],
];
/** Whatever IRET does not raise there. */
const ON_MINISTACK: Typed = [
  ["_start", "byte [exc_device_not_available] = 0xc3"],
  ["good"],
  ...(
    [
      ["asm_exc_divide_error", 0],
      ["asm_exc_overflow", 4],
      ["asm_exc_bounds", 5],
      ["asm_exc_invalid_op", 6],
      ["asm_exc_device_not_available", 7],
      ["asm_exc_coproc_segment_overrun", 9],
      ["asm_exc_invalid_tss", 10],
      ["asm_exc_page_fault", 14],
      ["asm_exc_spurious_interrupt_bug", 15],
      ["asm_exc_coprocessor_error", 16],
      ["asm_exc_alignment_check", 17],
      ["asm_exc_simd_coprocessor_error", 19],
      ["irq_entries_start", 32],
      ["asm_sysvec_apic_timer_interrupt", 236],
      ["asm_sysvec_reschedule_ipi", 253],
      ["asm_sysvec_spurious_apic_interrupt", 255],
    ] as const
  ).flatMap(onMinistack),
];
const PROTOTYPE = { ...X86_64, kernel: { espfix: "prototype" } };

/** Handlers do not return under the design that has SYSRET go to rcx: of a scenario without any. */
const WITHOUT_RCX_CHECK = SCENARIO_RUNS.filter(({ name }) => name === "slow-path").map((run) => ({
  ...run,
  name: "slow-path, sysret=no-rcx-check",
  launch: { ...run.launch, kernel: { sysret: "no-rcx-check" } },
}));

export const RUNS: readonly Run[] = [
  ...SCENARIO_RUNS,
  ...WITHOUT_RCX_CHECK,
  ...WIDE.map(([on, kernel, inject = []]) => own("entry-64", { ...on, kernel }, [...WORK, ...inject])),
  own("entry-32", I386, [...ON_I386, ...WATCHED]),
  own("entry-step", I386),
  own("entry-step", { ...X86_64, bits: 32, kernel: { pti: "on" } }),
  own("entry-step", { ...X86_64, bits: 32, kernel: { preset: "linux-4.0" } }),
  { ...own("entry-step", I386), name: "a stack taken away", breakStackAt: "do_int80_syscall_32" },
  ...COMPAT.map(([on, kernel]) => own("entry-32", { ...on, kernel, bits: 32 }, WORK)),
  { ...own("entry-ministack", { ...PROTOTYPE, bits: 32 }), typed: ON_MINISTACK },
  { ...own("entry-edited", PROTOTYPE), typed: EDITED },
];
