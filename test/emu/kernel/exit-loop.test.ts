/**
 * What is assembly and what is C: under the older presets entry code tests the flags, sets and clears TS_COMPAT, and loops over the work
 * before user mode itself. Each design of the two keys has something here that the others have not.
 */
import { describe, expect, test } from "vitest";
import { DESIGNS } from "../../../src/emu/kernel/designs/design-table.ts";
import { type Options, run, source, system } from "./kit.ts";
import { findVsyscall } from "./vsyscall.ts";

type Vendor = "intel" | "amd";
const cpu = (vendor: Vendor) => ({ vendor, model: "current", quirks: [] }) as const;

const INT80 = source(`
	.globl _start
_start:	mov $20, %eax
	int $0x80
	mov $60, %eax
	xor %edi, %edi
	syscall
`);
/** getpid through the vDSO, and the end by INT $0x80; argument 6 comes from the stack that `before` may change. */
const vsyscall = (before = "", number = 20) =>
  source(
    `${findVsyscall("edi")}	${before}
	mov $${number}, %eax
	call *%edi
	cmp $-38, %eax
	sete %bl
	movzbl %bl, %ebx
	mov $1, %eax
	int $0x80
`,
    32,
  );
const CALLS = source(`
	.globl _start
_start:	mov $39, %eax
	syscall
	mov $60, %eax
	xor %edi, %edi
	syscall
`);
const HW = "entry_SYSCALL_64_after_hwframe";
const at = (place: string, ...events: string[]) => events.map((event) => ({ at: place, event }));

/** Steps a program, and tells who changed thread_info.status: an up-call by its name, an instruction by the label in front of it. */
function compatWriters(program: Parameters<typeof run>[0], options: Options): string[] {
  const target = system(program, { cpus: 1, ...options });
  const { kernel, machine } = target;
  // execve returns to a 32-bit program as a 32-bit call
  while (machine.cpus[0]!.cpl !== 3) target.run(1);
  const task = kernel.state.tasks.find(({ idle }) => !idle)!;
  const where = task.address + kernel.layout.threadInfo.status!.offset;
  const labels = [...kernel.image.symbols].sort(([, a], [, b]) =>
    BigInt.asUintN(64, a) < BigInt.asUintN(64, b) ? 1 : -1,
  );
  const writers: string[] = [];
  let byUpcall: string | undefined;
  kernel.memory.observe((who, addr) => {
    if (addr === where) byUpcall = who;
  });
  let status = kernel.threadInfo(task, "status");
  while (kernel.state.exit === undefined) {
    const ip = BigInt.asUintN(64, machine.cpus[0]!.rip);
    target.run(1);
    if (kernel.state.exit !== undefined) break;
    const now = kernel.threadInfo(task, "status");
    if (now !== status) {
      const label = labels.find(([, address]) => BigInt.asUintN(64, address) <= ip)![0];
      writers.push(
        `${now === 0 ? "cleared" : "set"} by ${byUpcall === undefined ? "" : "up-call "}${byUpcall ?? label}`,
      );
    }
    status = now;
    byUpcall = undefined;
  }
  return writers;
}

describe("who sets and clears TS_COMPAT", () => {
  const BY_C = ["set by up-call syscall_32_enter", "cleared by up-call exit_to_user_mode_prepare"];
  const IRQS_ON = ["set by up-call do_syscall_32_irqs_on", "cleared by up-call exit_to_user_mode_prepare"];
  test.each([
    ["linux-6.1", BY_C],
    ["linux-4.6", IRQS_ON],
    ["linux-4.0", ["set by ia32_syscall", "cleared by int_with_check"]],
    ["linux-3.14", ["set by ia32_syscall", "cleared by int_with_check"]],
  ])("INT $0x80 under %s", (preset, expected) => {
    expect(compatWriters(INT80, { preset })).toEqual(expected);
  });

  test.each([
    ["linux-4.0", "intel", ["set by sysenter_flags_fixed", "cleared by sysexit_from_sys_call"]],
    ["linux-3.14", "amd", ["set by cstar_fetch_arg6", "cleared by sysretl_from_sys_call"]],
    ["linux-4.6", "amd", IRQS_ON],
  ] as const)("a fast call under %s on %s", (preset, vendor, expected) => {
    expect(compatWriters(vsyscall(), { preset, cpu: cpu(vendor) }).slice(0, 2)).toEqual(expected);
  });

  test("argument 6 that cannot be read: 6.1 has set the flag, the others have not", () => {
    const lost = source("\t.code32\n\t.globl _start\n_start:\tmov $20, %eax\n\tmov $0x10000, %ebp\n\tsysenter\n", 32);
    expect(compatWriters(lost, {})).toEqual(BY_C.map((by) => by.replace("exit_to_user_mode_prepare", "irqentry_exit")));
    for (const compat of ["irqs-on", "assembly"]) expect(compatWriters(lost, { designs: { compat } })).toEqual([]);
  });
});

/** The first stay in the kernel of a kind. */
const tripOf = (program: Parameters<typeof run>[0], options: Options, kind = "syscall") => {
  const { events } = run(program, { cpus: 1, ...options });
  const from = events.findIndex((e) => e.type === "entry" && e.kind === kind);
  const to = events.findIndex((e, i) => i > from && e.type === "exit" && e.toCpl === 3);
  const items = events.slice(from, to).filter((e) => e.type === "exit-work");
  return { exit: events[to]!, path: events[to]!.path as string[], items: items.map((e) => e.item) };
};

describe("the loop over the work", () => {
  const work = at(HW, "work:SYSCALL_AUDIT", "tif:NEED_RESCHED", "tif:USER_RETURN_NOTIFY");

  test("3.14: reschedule first, then the end of the call, then the rest; each time round the flags are asked again", () => {
    const { path, items, exit } = tripOf(CALLS, {
      preset: "linux-3.14",
      designs: { audit: "slow-path" },
      inject: work,
    });
    expect(items).toEqual(["syscall_trace_enter", "schedule", "syscall_trace_leave", "fire_user_return_notifiers"]);
    expect(path).toEqual([
      "fast_path_check_entry_work",
      "tracesys",
      "int_ret_from_sys_call",
      "int_with_check",
      "int_careful",
      "int_with_check",
      "int_careful",
      "int_very_careful",
      "int_restore_rest",
      "int_with_check",
      "int_careful",
      "int_very_careful",
      "int_signal",
      "int_restore_rest",
      "int_with_check",
      "swapgs_restore_regs_and_return_to_usermode",
      "native_irq_return_iret",
    ]);
    expect(exit.instruction).toBe("iret");
  });

  test("6.1: the same work in one up-call, the end of the call first", () => {
    const { path, items } = tripOf(CALLS, { inject: work });
    expect(items).toEqual(["syscall_trace_enter", "syscall_exit_work", "schedule", "fire_user_return_notifiers"]);
    expect(path.filter((label) => label.startsWith("int_"))).toEqual([]);
  });

  test("an audited call: 4.0 audits in phase 1 and goes back to the fast path, 3.14 has a fast path for it", () => {
    const inject = at(HW, "work:SYSCALL_AUDIT");
    const old = tripOf(CALLS, { preset: "linux-3.14", inject });
    expect(old.path).toEqual([
      "fast_path_check_entry_work",
      "tracesys",
      "auditsys",
      "fast_path_check_stub",
      "fast_path_check_exit_work",
      "sysret_careful",
      "sysret_signal",
      "sysret_audit",
      "fast_path_check_exit_work",
      "syscall_return_via_sysret",
    ]);
    const phased = tripOf(CALLS, { preset: "linux-4.0", inject });
    expect(phased.items).toEqual(["syscall_trace_enter_phase1", "syscall_trace_leave"]);
    expect(phased.path).toContain("tracesys");
    expect(phased.path).not.toContain("tracesys_phase2");
    expect(phased.exit.instruction).toBe("sysret");
  });

  test("whom a tracer watches goes through phase 2", () => {
    const { path, items } = tripOf(CALLS, { preset: "linux-4.0", inject: at(HW, "work:SYSCALL_TRACE") });
    expect(path).toContain("tracesys_phase2");
    expect(items.slice(0, 2)).toEqual(["syscall_trace_enter_phase1", "syscall_trace_enter_phase2"]);
  });

  const rescheduled = (designs: Record<string, string>) =>
    tripOf(CALLS, {
      preset: "linux-4.0",
      designs: { sysret: "fast-path-only", ...designs },
      inject: at("do_syscall_x64", "tif:NEED_RESCHED"),
    });
  test("a reschedule costs a call its SYSRET, but where the fast path has a loop of its own", () => {
    expect(rescheduled({}).exit.instruction).toBe("iret");
    expect(rescheduled({ exitLoop: "sysret-careful" }).exit.instruction).toBe("sysret");
    expect(rescheduled({ exitLoop: "sysret-careful" }).items).toEqual(["schedule"]);
  });

  test("an interrupt's way out: retint_careful and retint_signal under 4.0, irqentry_exit under 6.1", () => {
    const spin = source(
      "\t.globl _start\n_start:\tmov $100, %ecx\n1:\tloop 1b\nhere:\tnop\n\tmov $60, %eax\n\txor %edi, %edi\n\tsyscall\n",
    );
    const inject = at("here", "irq", "tif:NEED_RESCHED", "tif:UPROBE");
    const { path, items } = tripOf(spin, { preset: "linux-4.0", inject }, "irq");
    expect(path.filter((label) => label.startsWith("retint"))).toEqual([
      "retint_with_reschedule",
      "retint_careful",
      "retint_careful",
      "retint_signal",
      "retint_with_reschedule",
      "retint_swapgs",
    ]);
    expect(items).toEqual(["schedule", "uprobe_notify_resume"]);
    const latest = tripOf(spin, { inject }, "irq");
    expect(latest.items).toEqual(items);
    expect(latest.path.filter((label) => label.startsWith("retint"))).toEqual([]);
  });

  test.each(["assembly", "sysret-careful"])("%s: a kernel that may be preempted is, at retint_kernel", (exitLoop) => {
    const inject = at("do_syscall_x64", "irq", "tif:NEED_RESCHED");
    const items = (preempt: string) =>
      run(CALLS, { cpus: 1, preset: "linux-4.0", designs: { exitLoop, preempt }, inject })
        .events.filter((e) => e.type === "exit-work")
        .map((e) => e.item);
    expect(items("full")).toContain("preempt_schedule_irq");
    expect(items("none")).not.toContain("preempt_schedule_irq");
  });
});

const FAST_CALL = { intel: "sysenter", amd: "syscall32" } as const;
describe("32-bit calls", () => {
  test.each([
    ["intel", "linux-6.1", "sysretl"],
    ["intel", "linux-4.6", "sysretl"],
    ["intel", "linux-4.0", "sysexit"],
    ["intel", "linux-3.14", "sysexit"],
    ["amd", "linux-4.0", "sysretl"],
  ] as const)("a fast call on %s under %s leaves by the instruction of that kernel", (vendor, preset, instruction) => {
    const { exit } = tripOf(vsyscall(), { preset, cpu: cpu(vendor) }, FAST_CALL[vendor]);
    expect(exit).toMatchObject({ instruction });
    expect(exit.firstFailing).toBe(undefined);
    expect(run(vsyscall(), { preset, cpu: cpu(vendor) }).stop).toEqual({ kind: "exit", status: 0 });
  });

  test("a number that is none: ENOSYS, and not by the fast way", () => {
    for (const vendor of ["intel", "amd"] as const) {
      const options = { preset: "linux-4.0", cpu: cpu(vendor) };
      expect(run(vsyscall("", 5000), options).stop).toEqual({ kind: "exit", status: 1 });
      const { exit, path } = tripOf(vsyscall("", 5000), options, FAST_CALL[vendor]);
      expect(exit).toMatchObject({ instruction: "iret", firstFailing: "sysret_check_rcx_rip" });
      expect(path).toContain("ia32_badsys");
    }
  });

  test("INT $0x80 from 64-bit code: r8 to r11 come back as 0, but under 6.1", () => {
    const program = source(`
	.globl _start
_start:	mov $20, %eax
	mov $7, %r8d
	mov $7, %r11d
	int $0x80
	lea (%r8, %r11), %edi
	mov $60, %eax
	syscall
`);
    const status = (preset: string) => run(program, { cpus: 1, preset }).stop;
    for (const preset of ["linux-4.6", "linux-4.0", "linux-3.14"])
      expect(status(preset)).toEqual({ kind: "exit", status: 0 });
    expect(status("linux-6.1")).toEqual({ kind: "exit", status: 14 });
  });

  test("TF at SYSENTER: its trap in the kernel sets TIF_SINGLESTEP, and the call ends in a trap", () => {
    const stepped = vsyscall("pushf\n\torl $0x100, (%esp)\n\tmov $20, %eax\n\tpopf");
    const { stop } = run(stepped, { cpus: 1, preset: "linux-4.0" });
    expect(stop).toEqual({ kind: "exit", status: 133, signal: 5 });
  });

  test("a child's thread_info knows where fast calls return to", () => {
    const program = vsyscall(
      "mov $2, %eax\n\tint $0x80\n\ttest %eax, %eax\n\tjz 1f\n\tmov $7, %eax\n\tmov $-1, %ebx\n\txor %ecx, %ecx\n\txor %edx, %edx\n\tint $0x80\n1:",
    );
    expect(run(program, { preset: "linux-3.14" }).stop).toEqual({ kind: "exit", status: 0 });
  });
});

test("ports under an exit loop in assembly: the bitmap comes with ioperm, and with the switch", () => {
  const program = source(`
	.globl _start
_start:	mov $173, %eax			# ioperm(0x80, 1, 1)
	mov $0x80, %edi
	mov $1, %esi
	mov $1, %edx
	syscall
	mov $24, %eax			# sched_yield
	syscall
	xor %eax, %eax
	out %al, $0x80
	mov $57, %eax			# fork
	syscall
	xor %ecx, %ecx
	mov %eax, %ebx
	xor %eax, %eax
	out %al, $0x80			# both may
	test %ebx, %ebx
	jz 1f
	mov $61, %eax			# wait4
	mov $-1, %rdi
	lea status(%rip), %rsi
	xor %edx, %edx
	xor %r10d, %r10d
	syscall
1:	mov status(%rip), %edi
	mov $60, %eax
	syscall
	.data
status:	.long 0
`);
  for (const preset of ["linux-4.0", "linux-3.14"])
    expect(run(program, { cpus: 1, preset }).stop).toEqual({ kind: "exit", status: 0 });
});

describe("every combination assembles and runs", () => {
  const values = (key: string) => DESIGNS.filter((design) => design.key === key).map(({ value }) => value);
  const cases = values("exitPaths").flatMap((exitPaths) =>
    values("exitLoop")
      .slice(1)
      .map((exitLoop, i) => ({
        exitPaths,
        exitLoop,
        compat: values("compat")[i * 2]!,
        audit: values("audit")[i + 1]!,
      })),
  );
  test.each(cases)("%j", (designs) => {
    for (const preset of ["linux-6.1", "linux-4.0"]) {
      const inject = at(HW, "work:SYSCALL_AUDIT", "tif:NEED_RESCHED", "tif:USER_RETURN_NOTIFY");
      expect(run(CALLS, { cpus: 1, preset, designs, inject }).stop).toEqual({ kind: "exit", status: 0 });
      expect(run(vsyscall(), { cpus: 1, preset, designs }).stop).toEqual({ kind: "exit", status: 0 });
    }
  });
});

describe("no two values of a design are the same", () => {
  /** What differs: who wrote TS_COMPAT; the labels of a way out; which calls ask audit from assembly. */
  const FINGERPRINTS: Readonly<Record<string, (value: string) => unknown>> = {
    compat: (compat) => compatWriters(INT80, { designs: { compat } }),
    exitLoop: (exitLoop) =>
      tripOf(CALLS, {
        designs: { exitLoop, sysret: "fast-path-only" },
        inject: at("do_syscall_x64", "tif:NEED_RESCHED"),
      }).path,
    audit: (audit) =>
      [CALLS, vsyscall()].map((program, i) => {
        const inject = at(i === 0 ? HW : "entry_SYSENTER_compat_after_hwframe", "work:SYSCALL_AUDIT");
        const { events } = run(program, { cpus: 1, designs: { audit }, inject });
        return events.some((e) => e.type === "upcall" && e.name === "__audit_syscall_entry");
      }),
  };
  test.each(Object.entries(FINGERPRINTS))("%s", (key, of) => {
    const values = DESIGNS.filter((design) => design.key === key).map(({ value }) => value);
    expect(values.length).toBe(3);
    expect(new Set(values.map((value) => JSON.stringify(of(value)))).size).toBe(values.length);
  });
});
