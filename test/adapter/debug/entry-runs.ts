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
}

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
const NESTED = injected("exc_nmi nmi", "repeat_nmi nmi", "paranoid_entry nmi", "nmi_restore nmi");
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

const own = (name: string, launch: Record<string, unknown>, inject: readonly object[] = []): Run => ({
  name: `${name} ${JSON.stringify(launch)}`,
  program: path.join(import.meta.dirname, `${name}.s`),
  launch: { seed: 1, ...launch, inject: [...INJECT, ...inject] },
  gates: true,
});

const I386 = { arch: "i386", bits: 32, cpu: "intel" };
const X86_64 = { arch: "x86_64", cpu: "intel" };
const AMD = { arch: "x86_64", cpu: "amd" };

/** 32-bit programs on the 64-bit kernel: which between them have every way in and out. */
const COMPAT: readonly (readonly [object, object])[] = [
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
];

export const RUNS: readonly Run[] = [
  ...scenarios(),
  own("entry-64", X86_64, NESTED),
  own("entry-64", { ...X86_64, kernel: { preset: "linux-3.14" } }, NESTED),
  own(
    "entry-64",
    { ...X86_64, kernel: { preset: "linux-4.0", preempt: "full" } },
    injected("exc_invalid_op tif:NEED_RESCHED"),
  ),
  own("entry-64", { ...AMD, kernel: { preset: "linux-4.6" } }),
  own("entry-64", { ...X86_64, kernel: { pti: "on" } }),
  own("entry-64", { ...X86_64, kernel: { nmi: "plain", exitPaths: "conditional-swapgs" } }),
  own("entry-64", { ...X86_64, kernel: { espfix: "prototype", exitPaths: "tif-iret" } }),
  own("entry-32", I386, [...ON_I386, ...WATCHED]),
  own("entry-step", I386),
  { ...own("entry-step", I386), name: "a stack taken away", breakStackAt: "do_int80_syscall_32" },
  ...COMPAT.map(([launch, kernel]) => own("entry-32", { ...launch, kernel, bits: 32 }, WATCHED)),
];
