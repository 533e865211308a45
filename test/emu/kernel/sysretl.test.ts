/** Opportunistic SYSRETL, which C decides: one program for each condition that can fail. */
import { expect, test } from "vitest";
import { exits, run, source } from "./kit.ts";
import { findVsyscall } from "./vsyscall.ts";

/** Ends with exit(0). `body` has the address of __kernel_vsyscall in `vsyscall`. */
const program = (body: string) => `${findVsyscall("eax")}	mov %eax, vsyscall
${body}
	mov $1, %eax
	xor %ebx, %ebx
	int $0x80
	.data
vsyscall: .long 0
`;
const plain = program("\tmov $20, %eax\n\tcall *vsyscall\n");
const traced = program(`
	mov $174, %eax			# rt_sigaction(SIGTRAP, ignore): TF traps until the end
	mov $5, %ebx
	mov $action, %ecx
	xor %edx, %edx
	mov $8, %esi
	int $0x80
	pushf
	orl $0x100, (%esp)
	popf
	mov $20, %eax
	call *vsyscall
	pushf
	andl $~0x100, (%esp)
	popf
	jmp over
handler: ret
restorer: pop %eax
	mov $119, %eax
	int $0x80
	.data
action:	.long handler, 0x04000000, restorer, 0, 0
	.text
over:`);
/** sigreturn by a SYSENTER of our own: the state it restores is not the landing pad's. */
const returned = (change: string) =>
  program(`
	mov $174, %eax
	mov $10, %ebx
	mov $action, %ecx
	xor %edx, %edx
	mov $8, %esi
	int $0x80
	mov $20, %eax
	int $0x80
	mov %eax, %ebx
	mov $37, %eax			# kill(getpid(), SIGUSR1)
	mov $10, %ecx
	int $0x80
	jmp over
handler: ${change}
	ret
restorer: pop %eax
	mov $119, %eax
	mov %esp, %ebp
	sysenter
	.data
action:	.long handler, 0x04000000, restorer, 0, 0
	.text
over:`);

const intel = { vendor: "intel", model: "current", quirks: [] } as const;
const amd = { vendor: "amd", model: "current", quirks: [] } as const;
const fast = (text: string, cpu: typeof intel | typeof amd = intel) =>
  exits(run(source(text, 32), { cpu }).events).filter((e) => /SYSENTER|SYSCALL_compat/.test(String(e.entry)));

test.each([intel, amd])("from the vDSO it is taken, all tests passed: %j", (cpu) => {
  const [exit] = fast(plain, cpu);
  expect(exit).toMatchObject({
    instruction: "sysretl",
    path: [
      "sysretl_check_cs",
      "sysretl_check_ss",
      "sysretl_check_landing_pad",
      "sysretl_check_rf_tf",
      "sysret32_from_system_call",
    ],
  });
  expect(exit).not.toHaveProperty("firstFailing");
});

test.each([
  ["TF is set", traced, "sysretl_check_rf_tf"],
  ["the address is another", returned(""), "sysretl_check_landing_pad"],
  ["SS is another", returned("movw $0x3f, 80(%esp)"), "sysretl_check_ss"],
  ["CS is another", returned("movw $0x33, 68(%esp)"), "sysretl_check_cs"],
])("%s: IRET", (_name, text, failing) => {
  const found = fast(text).find((e) => e.firstFailing !== undefined) ?? refused(text);
  expect(found).toMatchObject({ instruction: "iret", firstFailing: failing });
});

/** A selector that names nothing: the exit is decided, and then the processor refuses it. */
const refused = (text: string) => run(source(text, 32)).events.find((e) => e.type === "exit-refused");

test("TF on AMD, where SYSCALL takes it out of the kernel's flags but not out of the user's", () => {
  expect(fast(traced, amd).find((e) => e.firstFailing !== undefined)).toMatchObject({
    instruction: "iret",
    firstFailing: "sysretl_check_rf_tf",
  });
});

test("an argument that cannot be read: EFAULT, by IRET", () => {
  const text = program("\tmov $20, %eax\n\tmov $0x10, %ebp\n\tsysenter\n");
  expect(fast(text)[0]).toMatchObject({ instruction: "iret", firstFailing: "argument 6 could not be read" });
});
