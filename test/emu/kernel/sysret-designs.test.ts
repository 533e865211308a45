/** SYSRET's designs: what each condition is there for shows when it is left out; and the fast path that asks none of them. */
import { describe, expect, test } from "vitest";
import { exits, type Options, run, source } from "./kit.ts";

/** A signal handler changes what sigreturn restores; `after` is where the program was, and `handler` has the ucontext in rdx. */
const program = (change: string, after: string, setUp = "") => `
	.globl _start
_start:	lea -256(%rsp), %rsp
${setUp}
	mov $13, %eax			# rt_sigaction(SIGUSR1, &action, 0, 8)
	mov $10, %edi
	lea action(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	syscall
	mov $39, %eax
	syscall
	mov %eax, %edi
	mov $62, %eax			# kill(getpid(), SIGUSR1): rcx and r11 are as SYSCALL left them
	mov $10, %esi
	syscall
after:	${after}
	mov $60, %eax
	syscall
handler: ${change}
	ret
restore: mov $15, %eax
	syscall
	.data
action:	.quad handler, 0x04000000, restore, 0
descriptor: .long 0, 0, 0xffff, 0	# 16-bit data
`;
const LDT = `
	mov $154, %eax			# modify_ldt(0x11, &descriptor, 16)
	mov $0x11, %edi
	lea descriptor(%rip), %rsi
	mov $16, %edx
	syscall
`;
/** The way out of rt_sigreturn, and what came of it. */
function sigreturn(text: string, options: Options) {
  const ran = run(source(text), options, 2_000_000);
  const found = ran.events.findIndex((e) => e.type === "syscall-enter" && e.name === "rt_sigreturn");
  const later = ran.events.slice(found);
  return { ...ran, exit: exits(later)[0], signal: later.find((e) => e.type === "signal") };
}
const without = (value: string): Options => ({ designs: { sysret: value } });

describe("a condition left out", () => {
  test("rcx = rip: a signal's handler never runs, for the program goes on at rcx", () => {
    const text = program("mov $5, %edi; mov $60, %eax; syscall", "xor %edi, %edi");
    expect(run(source(text)).stop).toMatchObject({ status: 5 });
    const wrong = run(source(text), without("no-rcx-check"));
    expect(wrong.stop).toMatchObject({ status: 0 });
    const delivered = wrong.events.findIndex((e) => e.type === "signal" && e.step === "handler");
    expect(exits(wrong.events.slice(delivered))[0]).toMatchObject({ instruction: "sysret" });
  });

  test("r11 = flags: the program gets r11 for its flags", () => {
    const text = program("movq $0x203, 64(%rdx)", "setc %dil; movzx %dil, %edi");
    expect(sigreturn(text, {}).stop).toMatchObject({ status: 0 });
    expect(sigreturn(text, without("no-r11-check")).stop).toMatchObject({ status: 1 });
  });

  test("CS: a return to 32-bit code ends in 64-bit code", () => {
    const text = program("movw $0x23, 184(%rdx)", "xor %edi, %edi");
    expect(sigreturn(text, {}).exit).toMatchObject({ instruction: "iret", cs: 0x23 });
    expect(sigreturn(text, without("no-cs-check")).exit).toMatchObject({ instruction: "sysret", cs: 0x33 });
  });

  test("SS: a return to another stack segment gets the flat one", () => {
    const text = program("movw $7, 190(%rdx)", "xor %edi, %edi", LDT);
    expect(sigreturn(text, {}).exit).toMatchObject({ instruction: "iret", ss: 7 });
    expect(sigreturn(text, without("no-ss-check")).exit).toMatchObject({ instruction: "sysret", ss: 0x2b });
  });

  /** The bug that the thread of April 2015 is about. */
  test.each(["intel", "amd"] as const)(
    "TF on %s: SYSRET traps before the next instruction, IRET after it",
    (vendor) => {
      const cpu = { vendor, model: "current", quirks: [] } as const;
      const text = program("orq $0x100, 176(%rdx); mov 176(%rdx), %rax; mov %rax, 64(%rdx)", "nop");
      const right = sigreturn(text, { cpu });
      const wrong = sigreturn(text, { cpu, ...without("no-rf-tf-check") });
      expect([right.exit!.instruction, wrong.exit!.instruction]).toEqual(["iret", "sysret"]);
      const at = wrong.exit!.toIp as string;
      expect(right.exit!.toIp).toBe(at);
      expect(wrong.signal).toMatchObject({ signal: "SIGTRAP", addr: at });
      expect(right.signal).toMatchObject({ signal: "SIGTRAP", addr: `0x${(Number(at) + 1).toString(16)}` });
    },
  );

  test("a canonical rip: on Intel SYSRET faults in ring 0, on the user's stack, which SMAP forbids; on AMD in the program", () => {
    const text = program("movabs $0x800000000000, %rax; mov %rax, 168(%rdx); mov %rax, 152(%rdx)", "nop");
    const on = (vendor: "intel" | "amd", design: string) =>
      sigreturn(text, { cpu: { vendor, model: "current", quirks: [] }, ...without(design) });
    for (const vendor of ["intel", "amd"] as const)
      expect(on(vendor, "opportunistic").stop).toMatchObject({ kind: "exit", signal: 11 });
    const intel = on("intel", "no-canonical-check");
    expect(intel.stop).toMatchObject({ kind: "shutdown", why: expect.stringMatching(/double fault/) });
    const fault = intel.events.findLast((e) => e.type === "entry");
    // the frame of #GP cannot be pushed there
    const sysret = intel.events.find((e) => e.type === "exit" && e.instruction === "sysret");
    expect(fault).toMatchObject({ label: "asm_exc_double_fault", fromCpl: 0, fromIp: sysret!.fromIp });
    const amd = on("amd", "no-canonical-check");
    expect(amd.exit).toMatchObject({ instruction: "sysret", toIp: "0x800000000000" });
    expect(amd.stop).toMatchObject({ kind: "exit", signal: 11 });
  });
});

describe("only the fast path", () => {
  const fast: Options = without("fast-path-only");
  const plain = program("nop", "xor %edi, %edi");
  const wayOut = (name: string, options: Options) => {
    const { events } = run(source(plain), options);
    return exits(events.slice(events.findIndex((e) => e.type === "syscall-enter" && e.name === name)))[0];
  };
  const injected = (event: string): Options => ({ ...fast, inject: [{ at: "entry_SYSCALL_64_after_hwframe", event }] });

  test("a call with nothing to do leaves by SYSRET, untested", () => {
    const exit = wayOut("getpid", fast);
    expect(exit).toMatchObject({ instruction: "sysret" });
    expect(exit!.path).toEqual([
      "fast_path_check_entry_work",
      "fast_path_check_stub",
      "fast_path_check_exit_work",
      "syscall_return_via_sysret",
    ]);
  });

  test.each([
    ["a signal is pending", "kill", fast, "fast_path_check_exit_work"],
    ["the call changes registers", "rt_sigreturn", fast, "fast_path_check_stub"],
    ["a one-shot flag is set", "rt_sigaction", injected("tif:NOTIFY_RESUME"), "fast_path_check_exit_work"],
    ["somebody watches", "rt_sigaction", injected("work:SYSCALL_AUDIT"), "fast_path_check_entry_work"],
  ])("%s: IRET, though SYSRET would do", (_why, name, options, failing) => {
    expect(wayOut(name, options)).toMatchObject({ instruction: "iret", firstFailing: failing });
    const opportunistic = wayOut(name, { ...options, designs: {} });
    // a handler's start is no place for SYSRET, everything else is
    if (name !== "kill") expect(opportunistic).toMatchObject({ instruction: "sysret" });
  });

  test("a flag that nobody has is no event", () => {
    expect(() => run(source(plain), { inject: [{ at: "_start", event: "tif:IA32" }] })).toThrow(/unknown event/);
  });
});
