/** espfix64: what ESP[31:16] becomes after a return to a 16-bit stack, with and without it, and who sets it up where. */
import { describe, expect, test } from "vitest";
import { ESPFIX_PAGE_SPACE, espfixBaseAddr, espfixMaxCpus } from "../../../src/emu/kernel/boot/espfix.ts";
import { ESPFIX_BASE_ADDR } from "../../../src/emu/kernel/layout/linux-6.1-64.ts";
import { nativeImage, run, source } from "./kit.ts";

/** Loads a 16-bit LDT stack segment, makes a system call on it, and prints ESP as it is afterwards. */
const PROGRAM = `
	.code32
	.globl _start
_start:	mov $123, %eax			# modify_ldt(0x11, descriptor, 16)
	mov $0x11, %ebx
	mov $descriptor, %ecx
	mov $16, %edx
	int $0x80
	test %eax, %eax
	jnz failed
	mov %esp, %esi
	mov %ss, %edi
	mov $7, %eax
	mov %eax, %ss
	mov $0xabcd1230, %esp
	mov $20, %eax			# getpid
	int $0x80
	mov %esp, %ebp
	mov %edi, %ss
	mov %esi, %esp
	mov %ebp, result
	mov $4, %eax
	mov $1, %ebx
	mov $result, %ecx
	mov $4, %edx
	int $0x80
	xor %ebx, %ebx
exit:	mov $1, %eax
	int $0x80
failed:	mov $1, %ebx
	jmp exit
	.data
descriptor: .long 0, 0, 0xffff, 0	# entry 0: data, 16-bit, 64 KiB, writable
result:	.long 0
`;

/** The same, on another CPU from the middle on. */
const MOVED = PROGRAM.replace(
  "\tmov $7, %eax\n",
  `
	mov $241, %eax			# sched_setaffinity(0, 4, &mask)
	xor %ebx, %ebx
	mov $4, %ecx
	mov $mask, %edx
	int $0x80
	mov $7, %eax
`,
).concat("mask:\t.long 4\n");
/** A handler changes the saved SS to a selector of the LDT, and there is none. */
const NO_LDT = `
	.code32
	.globl _start
_start:	mov $67, %eax			# sigaction(SIGTRAP, &action, 0)
	mov $5, %ebx
	mov $action, %ecx
	xor %edx, %edx
	int $0x80
	int3
	xor %ebx, %ebx
	mov $1, %eax
	int $0x80
handler: movl $7, 80(%esp)		# sigcontext.ss, after the return address and the signal number
	ret
	.data
action:	.long handler, 0, 0, 0
`;

const espOf = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0, true);

describe.each(["intel", "amd"] as const)("on %s", (vendor) => {
  const cpu = { vendor, model: "current", quirks: [] } as const;

  test("the final form keeps the user's ESP, as the host does", () => {
    const ran = run(source(PROGRAM, 32), { cpu });
    expect(ran.stop).toEqual({ kind: "exit", status: 0 });
    expect(espOf(ran.stdout)).toBe(0xabcd1230);
    const { status, stdout } = nativeImage(PROGRAM, 32);
    expect(status).toBe(0);
    expect(espOf(stdout)).toBe(0xabcd1230);
    const exit = ran.events.find((e) => e.type === "exit" && e.ss === 7);
    expect(exit?.path).toContain("espfix_on_ministack");
  });

  test("without it the kernel's bits are left in ESP[31:16]", () => {
    const ran = run(source(PROGRAM, 32), { cpu, designs: { espfix: "none" } });
    const esp = espOf(ran.stdout);
    expect(esp & 0xffff).toBe(0x1230);
    // IRET took its frame from the entry stack of this CPU
    const entryStack = ran.events.find((e) => e.type === "exit" && e.ss === 7);
    expect(entryStack?.path).not.toContain("espfix_on_ministack");
    expect(esp >>> 16).not.toBe(0xabcd);
  });
});

describe("placement", () => {
  test.each([
    [64, 2 ** 17],
    [128, 2 ** 16],
  ])("with %i bytes each, every one of 2^17 or 2^16 CPUs has a ministack of its own, alias bits zero", (size, cpus) => {
    expect(ESPFIX_PAGE_SPACE).toBe(2 ** 11);
    // the prototype's bound: (8 << 20) / ESPFIX_STACK_SIZE
    expect(espfixMaxCpus(size)).toBe((8 << 20) / size);
    expect(espfixMaxCpus(size)).toBe(cpus);
    const placement = { pageRandom: 1234, slotRandom: 17 };
    const seen = new Set<number>();
    const wrong: number[] = [];
    for (let cpu = 0; cpu < cpus; cpu++) {
      const addr = espfixBaseAddr(cpu, placement, size);
      const low = addr - ESPFIX_BASE_ADDR;
      const fits = low >= 0 && low < 2 ** 39 && Math.floor(low / 65536) % 65536 === 0 && low % size === 0;
      if (!fits) wrong.push(cpu);
      seen.add(addr);
    }
    expect(wrong).toEqual([]);
    expect(seen.size).toBe(cpus);
    // one more would be outside the root entry
    const beyond = espfixBaseAddr(cpus, { pageRandom: 0, slotRandom: 0 }, size) - ESPFIX_BASE_ADDR;
    expect(beyond).toBe(2 ** 39);
  });

  test("seeds place it differently", () => {
    const at = (seed: number) => {
      const { kernel, machine } = run(source(PROGRAM, 32), { seed }).system;
      return kernel.perCpu(machine.cpus[0]!, "espfix_stack");
    };
    expect(at(1)).toBe(at(1));
    expect(at(1)).not.toBe(at(2));
  });
});

/** What was set up, in order, and what the program saw. */
function setUp(design: string, text = PROGRAM, designs: Record<string, string> = {}) {
  const ran = run(source(text, 32), { cpus: 3, designs: { espfixInit: design, ...designs } });
  const log = ran.system.kernel.state.espfix?.log ?? [];
  return { ran, order: log.map(({ cpu, when, step }) => `${when}: CPU ${cpu} ${step}`) };
}
const perCpuStack = (ran: ReturnType<typeof run>) =>
  ran.system.machine.cpus.map((cpu) => ran.system.kernel.perCpu(cpu, "espfix_stack") !== 0n);

describe("who sets it up, and how it is known", () => {
  const stacks = (when: string) => [0, 1, 2].map((cpu) => `${when}: CPU ${cpu} stack`);

  test.each(["boot", "once"])("%s: all of it before any program", (design) => {
    const { ran, order } = setUp(design);
    expect(order).toEqual(["boot: CPU 0 page tables", ...stacks("boot")]);
    expect(ran.events.filter((e) => e.type === "espfix-init")).toEqual([]);
    expect(espOf(ran.stdout)).toBe(0xabcd1230);
  });

  test("modify-ldt: all CPUs' when the first LDT is made", () => {
    const { ran, order } = setUp("modify-ldt");
    expect(order).toEqual(["modify-ldt: CPU 0 page tables", ...stacks("modify-ldt")]);
    const types = ran.events.map((e) => (e.type === "syscall" ? `${e.type} ${e.name}` : e.type));
    expect(types.indexOf("espfix-init")).toBeLessThan(types.indexOf("syscall modify_ldt"));
    expect(espOf(ran.stdout)).toBe(0xabcd1230);
  });

  test("probe: a CPU that loads no LDT has no stack", () => {
    const { ran, order } = setUp("probe");
    expect(order).toEqual(["load-ldt: CPU 0 page tables", "load-ldt: CPU 0 stack"]);
    expect(perCpuStack(ran)).toEqual([true, false, false]);
    expect(espOf(ran.stdout)).toBe(0xabcd1230);
  });

  test("probe: the second CPU finds the page that the first has mapped", () => {
    const { ran, order } = setUp("probe", MOVED);
    expect(order).toEqual(["load-ldt: CPU 0 page tables", "load-ldt: CPU 0 stack", "load-ldt: CPU 2 stack"]);
    expect(perCpuStack(ran)).toEqual([true, false, true]);
    expect(espOf(ran.stdout)).toBe(0xabcd1230);
  });

  /** The final form copies to the ministack before it knows whether there is one: it must be there before any program. */
  test.each([
    ["boot", "exit"],
    ["modify-ldt", "shutdown"],
  ])("%s, and a return to an LDT stack by a program without an LDT: %s", (design, end) => {
    expect(setUp(design, NO_LDT).ran.stop.kind).toBe(end);
  });
  test("the prototype asks LAR first", () => {
    expect(setUp("modify-ldt", NO_LDT, { espfix: "prototype" }).ran.stop).toMatchObject({ kind: "exit", signal: 11 });
  });
});
