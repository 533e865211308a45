/** Audit and context tracking: what is recorded and how often the hooks run, whatever the way through the entry code. */
import { describe, expect, test } from "vitest";
import { DESIGNS } from "../../../src/emu/kernel/designs/design-table.ts";
import { PRESETS } from "../../../src/emu/kernel/designs/presets.ts";
import { exits, type Options, run, source } from "./kit.ts";
import { findVsyscall } from "./vsyscall.ts";

const CALLS = `
	.globl _start
_start:	mov $39, %eax			# getpid
	syscall
	mov $3, %eax			# close(-1)
	mov $-1, %edi
	mov $5, %esi
	syscall
	mov $57, %eax			# fork, which has a stub
	syscall
	mov $60, %eax
	xor %edi, %edi
	syscall
`;
const HW = "entry_SYSCALL_64_after_hwframe";
const AUDITED = [{ at: HW, event: "work:SYSCALL_AUDIT" }];
const ran = (options: Options) => run(source(CALLS), { cpus: 1, ...options }).events;
const records = (options: Options) =>
  ran(options)
    .filter((e) => e.type === "audit")
    .map(({ syscall, success, exit, a0, a1, arch }) => ({ syscall, success, exit, a0, a1, arch }));

const EXPECTED = [
  { syscall: 39, success: "yes", exit: 1000, arch: "c000003e" },
  { syscall: 3, success: "no", exit: -9, a0: "ffffffff", a1: "5", arch: "c000003e" },
  { syscall: 57, success: "yes", exit: 1001, arch: "c000003e" },
];

describe("audit", () => {
  const designs = DESIGNS.filter(({ key }) => ["audit", "exitPaths", "sysret"].includes(key));
  const settings: Options[] = [
    ...PRESETS.map(({ name }) => ({ preset: name })),
    ...designs.map(({ key, value }) => ({ designs: { audit: "fast-path", [key]: value } })),
  ];
  test.each(settings)("the same records under %j", (setting) => {
    const [first, ...rest] = records({ ...setting, inject: AUDITED });
    const pid = Number(first!.exit);
    const wanted = EXPECTED.map((record) => ({
      ...record,
      exit: record.exit < 0 ? record.exit : record.exit - 1000 + pid,
    }));
    // the child's copy has no audit in kernels with flags of their own for it
    expect([first, ...rest.slice(0, 2)]).toMatchObject(wanted);
  });

  test("32-bit calls are those of the other architecture", () => {
    const text = "\t.globl _start\n_start:\tmov $20, %eax\n\tint $0x80\n\tmov $60, %eax\n\txor %edi, %edi\n\tsyscall\n";
    const inject = [{ at: "do_int80_emulation", event: "work:SYSCALL_AUDIT" }];
    const { events } = run(source(text), { cpus: 1, inject });
    expect(events.filter((e) => e.type === "audit")[0]).toMatchObject({
      arch: "40000003",
      syscall: 20,
      success: "yes",
    });
  });

  /** getpid and close(-1) through the vDSO, then the end by INT $0x80. */
  const VSYSCALL = `${findVsyscall("edi")}	mov $20, %eax
	call *%edi
	mov $6, %eax
	mov $-1, %ebx
	mov $5, %ecx
	call *%edi
	mov $1, %eax
	int $0x80
`;
  const compat = (vendor: "intel" | "amd", options: Options) => {
    const old = options.preset === "linux-3.14" ? ["ia32_sysenter", "ia32_cstar"] : undefined;
    const [sysenter, cstar] = old ?? ["entry_SYSENTER_compat", "entry_SYSCALL_compat"];
    const at = `${vendor === "intel" ? sysenter : cstar}_after_hwframe`;
    const inject = [{ at, event: "work:SYSCALL_AUDIT" }, ...(options.inject ?? [])];
    const cpu = { vendor, model: "current", quirks: [] } as const;
    return run(source(VSYSCALL, 32), { cpus: 1, ...options, cpu, inject }).events;
  };
  describe.each(["intel", "amd"] as const)("32-bit calls through the vDSO, %s", (vendor) => {
    test.each(["fast-path", "slow-path"])("%s: the same records, the same exit", (audit) => {
      const events = compat(vendor, { designs: { audit } });
      const [first, second] = events.filter((e) => e.type === "audit");
      expect(first).toMatchObject({ arch: "40000003", syscall: 20, success: "yes" });
      expect(second).toMatchObject({ arch: "40000003", syscall: 6, success: "no", exit: -9, a0: "ffffffff", a1: "5" });
      const fast = events.filter((e) => e.type === "exit" && e.instruction === "sysretl");
      expect(fast.map((e) => (e.path as string[]).includes("ia32_sysexit_audit"))).toEqual(
        audit === "fast-path" ? [true, true] : [false, false],
      );
      const watched = events.filter((e) => e.type === "exit-work" && e.item === "syscall_trace_enter");
      // INT $0x80 has no fast path
      expect(watched.length).toBe(audit === "fast-path" ? 1 : 3);
    });

    test("it gives way to any other work, and audit is asked once", () => {
      const events = compat(vendor, {
        preset: "linux-3.14",
        inject: [{ at: vendor === "intel" ? "sysenter_auditsys" : "cstar_auditsys", event: "tif:USER_RETURN_NOTIFY" }],
      });
      const begin = events.findIndex((e) => e.type === "upcall" && e.name === "__audit_syscall_entry");
      const end = events.findIndex((e, i) => i > begin && e.type === "exit");
      expect(events[end]).toMatchObject({ instruction: "iret" });
      const first = events.slice(0, end + 1);
      expect(first.filter((e) => e.type === "upcall" && e.name === "__audit_syscall_exit")).toEqual([]);
      expect(first.filter((e) => e.type === "exit-work").map((e) => e.item)).toEqual([
        "syscall_trace_leave",
        "fire_user_return_notifiers",
      ]);
      expect(first.filter((e) => e.type === "audit").length).toBe(1);
    });
  });

  const calls = (options: Options) => {
    const events = ran(options);
    const end = events.findIndex((e) => e.type === "exit" && e.entry === "system_call");
    return events
      .slice(0, end)
      .filter((e) => e.type === "audit" || (e.type === "upcall" && /audit/.test(String(e.name))));
  };
  test("on the fast path it is called where the slow path is not taken, and nowhere else", () => {
    const names = (audit: string) =>
      calls({ preset: "linux-3.14", designs: { audit }, inject: AUDITED }).map((e) => e.name ?? e.type);
    expect(names("fast-path")).toEqual(["__audit_syscall_entry", "__audit_syscall_exit", "audit"]);
    expect(names("slow-path")).toEqual(["audit"]);
  });

  test("asked twice it writes one record", () => {
    const inject = [...AUDITED, { at: "fast_path_check_exit_work", event: "work:SYSCALL_TRACE" }];
    const events = ran({ preset: "linux-3.14", inject });
    const first = events.slice(
      0,
      events.findIndex((e) => e.type === "exit" && e.entry === "system_call"),
    );
    expect(first.filter((e) => e.type === "upcall" && e.name === "__audit_syscall_exit").length).toBe(1);
    expect(first.filter((e) => e.type === "exit-work" && e.item === "syscall_trace_leave").length).toBe(1);
    expect(first.filter((e) => e.type === "audit").length).toBe(1);
  });

  test("other work than that of a system call's end does not take it through syscall_trace_leave", () => {
    const inject = [...AUDITED, { at: "fast_path_check_exit_work", event: "tif:USER_RETURN_NOTIFY" }];
    const events = ran({ preset: "linux-3.14", inject });
    const first = events.slice(0, events.findIndex((e) => e.type === "exit" && e.entry === "system_call") + 1);
    expect(first.filter((e) => e.type === "exit-work").map((e) => e.item)).toEqual(["fire_user_return_notifiers"]);
    expect(exits(first).at(-1)).toMatchObject({ instruction: "iret", firstFailing: "fast_path_check_exit_work" });
  });
});

describe("context tracking", () => {
  const hooks = (options: Options) => {
    const events = ran({ ...options, inject: [{ at: HW, event: "tif:NOHZ" }] });
    const own = events.slice(events.findIndex((e) => e.type === "syscall-enter" && e.name === "close"));
    const end = own.findIndex((e) => e.type === "exit");
    return own.slice(0, end).filter((e) => e.type === "exit-work" && e.by !== undefined);
  };
  test.each([
    ["linux-4.6", ["user_enter prepare_exit_to_usermode"]],
    ["linux-4.0", ["user_exit syscall_trace_leave", "user_enter syscall_trace_leave"]],
    ["linux-3.14", ["user_exit syscall_trace_leave", "user_enter syscall_trace_leave"]],
    ["linux-6.1", []],
  ])("%s: after the call", (preset, expected) => {
    if (preset === "linux-6.1")
      expect(() => ran({ preset, inject: [{ at: HW, event: "tif:NOHZ" }] })).toThrow(/tif:NOHZ/);
    else expect(hooks({ preset }).map((e) => `${e.item} ${e.by}`)).toEqual(expected);
  });

  test.each(["linux-4.6", "linux-3.14"])(
    "%s: the variable is right whenever user mode runs, faults and interrupts too",
    (preset) => {
      const text = `
	.globl _start
_start:	mov $39, %eax
	syscall
	movb $1, -20000(%rsp)		# a page fault
	nop
	.globl irq
irq:	nop
	mov $60, %eax
	xor %edi, %edi
	syscall
`;
      const inject = [
        { at: HW, event: "tif:NOHZ" },
        { at: "irq", event: "irq" },
      ];
      const { events } = run(source(text), { preset, cpus: 1, inject });
      let inUser = false;
      const wrong: unknown[] = [];
      for (const event of events) {
        if (event.type === "exit-work" && event.by !== undefined) inUser = event.item === "user_enter";
        if (event.type === "exit" && event.toCpl === 3 && event.entry !== "ret_from_fork" && !inUser) wrong.push(event);
      }
      expect(wrong).toEqual([]);
      expect(events.some((e) => e.type === "fault")).toBe(true);
      expect(events.some((e) => e.type === "entry" && e.kind === "irq")).toBe(true);
    },
  );
});
