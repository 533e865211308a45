/** Page table isolation: what the user's PGD has of the kernel and what not, the switches between the two, and what breaks without one. */
import { describe, expect, test } from "vitest";
import costs from "../../../src/cli/costs-program.S?raw";
import { OFF } from "../../../src/emu/cpu/layout.ts";
import { PRESETS } from "../../../src/emu/kernel/designs/presets.ts";
import entry64 from "../../../src/emu/kernel/entry/entry_64.S?raw";
import { PAGE_SIZE } from "../../../src/emu/kernel/layout/linux-6.1.ts";
import { pageTables } from "../../../src/emu/kernel/mm/pages.ts";
import { frameOf, PTE, userPgd } from "../../../src/emu/kernel/mm/pagetable.ts";
import type { System } from "../../../src/emu/kernel/system.ts";
import { exits, image, type Options, run, source } from "./kit.ts";
import { findVsyscall } from "./vsyscall.ts";

const ON = { pti: "on" } as const;
const SPIN = source("\t.globl _start\n_start:\tmov $39, %eax\n\tsyscall\n1:\tjmp 1b\n");
const spinning = (options: Options = {}) => run(SPIN, { designs: ON, ...options }, 3000).system;
const cr3 = (system: System) => Number(system.machine.cpus[0]!.get64(OFF.CR3));
const entriesOf = ({ kernel }: System, table: number) =>
  Array.from({ length: 512 }, (_, i) => pageTables(kernel).read(table + i * 8));
const present = (entry: bigint) => (entry & PTE.PRESENT) !== 0n;
const canonical = (address: bigint) =>
  Number(BigInt.asIntN(64, address >> 47n === 0n ? address : address | (-1n << 48n)));

/** Pages behind one entry of a root, by address. */
function leaves(system: System, root: number, slot: number): Map<number, bigint> {
  const found = new Map<number, bigint>();
  const walk = (table: number, level: number, base: bigint) => {
    for (const [i, entry] of entriesOf(system, table).entries()) {
      if (!present(entry) || (level === 0 && i !== slot)) continue;
      const at = base | (BigInt(i) << BigInt(39 - 9 * level));
      if (level === 3 || (entry & PTE.PSE) !== 0n) found.set(canonical(at), entry);
      else walk(frameOf(entry), level + 1, at);
    }
  };
  walk(root, 0, 0n);
  return found;
}
const slotOf = (address: number) => ((Math.floor(address / 2 ** 39) % 512) + 512) % 512;

describe("the user's PGD", () => {
  const system = spinning();
  const { kernel } = system;
  const root = kernel.state.mms.at(-1)!.pgd;
  const { address, perCpu } = kernel.layout;

  test("user mode runs on the second page of the pair, the kernel on the first", () => {
    expect(root % (2 * PAGE_SIZE)).toBe(0);
    expect(cr3(system)).toBe(userPgd(root));
    expect(cr3(run(SPIN, { designs: { pti: "off" } }, 3000).system) % 0x1000).toBe(0);
  });

  test("has user space, where the kernel's has nothing that executes", () => {
    const [own, user] = [entriesOf(system, root), entriesOf(system, userPgd(root))];
    const used = own.slice(0, 256).filter(present);
    expect(used.length).toBeGreaterThan(1);
    expect(used.every((entry) => (entry & PTE.NX) !== 0n)).toBe(true);
    expect(user.slice(0, 256)).toEqual(own.slice(0, 256).map((entry) => entry & ~PTE.NX));
  });

  test("has of the kernel the entry areas, espfix, a TSS page a CPU and the entry code: nothing else", () => {
    const user = entriesOf(system, userPgd(root));
    const slots = user.flatMap((entry, i) => (i >= 256 && present(entry) ? [i] : []));
    const text = slotOf(address.text);
    const direct = slotOf(address.pageOffset);
    expect(slots).toEqual([direct, 508, 510, text].sort((a, b) => a - b));
    const tss = kernel.machine.cpus.map((cpu) => kernel.perCpuBase(cpu) + perCpu.cpu_tss_rw!.offset);
    expect([...leaves(system, userPgd(root), direct).keys()]).toEqual(tss);
    const [start, end] = [kernel.symbol("__entry_text_start"), kernel.symbol("__entry_text_end")];
    const pages = [...leaves(system, userPgd(root), text).keys()];
    expect(pages).toEqual(Array.from({ length: (end - start) / PAGE_SIZE }, (_, i) => start + i * PAGE_SIZE));
    for (const name of ["do_syscall_64", "__per_cpu_offset", "ret_from_fork"]) {
      expect(
        pages.some((page) => kernel.symbol(name) >= page && kernel.symbol(name) < page + PAGE_SIZE),
        name,
      ).toBe(false);
    }
  });

  test("only what both have is global: a translation of the kernel's does not outlive its page tables", () => {
    const isGlobal = (entry: bigint) => (entry & PTE.GLOBAL) !== 0n;
    const start = kernel.symbol("__entry_text_start");
    for (const [page, entry] of leaves(system, root, slotOf(address.text)))
      expect(isGlobal(entry), page.toString(16)).toBe(page >= start && page < kernel.symbol("__entry_text_end"));
    for (const entry of leaves(system, root, slotOf(address.pageOffset)).values()) expect(isGlobal(entry)).toBe(false);
  });
});

describe("switches", () => {
  const ran = (options: Options = {}) =>
    run({ kind: "image", name: "costs", image: image(costs) }, { cpus: 1, designs: ON, ...options });
  const paths = (events: ReturnType<typeof ran>["events"]) => exits(events).map((e) => e.path as string[]);

  test.each(["intel", "amd"] as const)("each way in has one, each way out has one, on %s", (vendor) => {
    const { stop, events } = ran({ cpu: { vendor, model: "current", quirks: [] } });
    expect(stop).toMatchObject({ kind: "exit" });
    const [, ...rest] = paths(events);
    for (const path of rest) {
      const loads = path.filter((label) => label.endsWith("_cr3") && !label.startsWith("espfix"));
      expect(loads.map((label) => label.replace(/^.*_(kernel|user)_cr3$/, "$1"))).toEqual(["kernel", "user"]);
    }
  });

  test.each(["final", "prototype"])("the way over the ministack goes back for it: espfix=%s", (espfix) => {
    const over = paths(ran({ designs: { ...ON, espfix } }).events).filter((path) =>
      path.includes("espfix_on_ministack"),
    );
    expect(over.length).toBeGreaterThan(0);
    for (const path of over) {
      const loads = path.filter((label) => label.endsWith("_cr3")).slice(1);
      expect(loads).toEqual(["iret_user_cr3", "espfix_kernel_cr3", "espfix_user_cr3"]);
    }
  });

  test.each(PRESETS.map(({ name }) => name))("32-bit calls, as in %s: SYSENTER, SYSCALL and INT $0x80", (preset) => {
    const compat = `${findVsyscall("esi")}	mov $20, %eax
	call *%esi
	mov %eax, %edi
	mov $20, %eax
	int $0x80
	sub %eax, %edi
	mov %edi, %ebx
	mov $1, %eax
	int $0x80
`;
    for (const vendor of ["intel", "amd"] as const) {
      const cpu = { vendor, model: "current", quirks: [] } as const;
      const { stop, events } = run(source(compat, 32), { cpus: 1, preset, designs: ON, cpu });
      expect(stop).toEqual({ kind: "exit", status: 0 });
      const calls = events.filter((e) => e.entry !== "asm_exc_page_fault");
      const [, fast, int80] = paths(calls).map((path) => path.filter((label) => label.endsWith("_cr3")));
      const old = preset === "linux-4.0" || preset === "linux-3.14";
      const fastEntry =
        vendor === "intel" ? ["entry_SYSENTER_compat", "ia32_sysenter"] : ["entry_SYSCALL_compat", "ia32_cstar"];
      expect(fast![0]).toBe(`${fastEntry[old ? 1 : 0]}_kernel_cr3`);
      expect(fast!.slice(1)).toEqual([old && vendor === "intel" ? "sysexit_user_cr3" : "sysretl_user_cr3"]);
      expect(int80).toEqual([preset === "linux-6.1" ? "error_entry_kernel_cr3" : "int80_kernel_cr3", "iret_user_cr3"]);
    }
  });

  test("and none without isolation", () => {
    expect(
      paths(ran({ designs: {} }).events)
        .flat()
        .filter((label) => label.includes("cr3")),
    ).toEqual([]);
  });

  test("no IRET from the task's stack, whatever the way out", () => {
    const { stop, events } = ran({ designs: { ...ON, exitPaths: "conditional-swapgs" } });
    expect(stop).toMatchObject({ kind: "exit" });
    expect(paths(events).some((path) => path.includes("error_return") && path.includes("iret_user_cr3"))).toBe(true);
  });
});

describe("left out", () => {
  const without = (line: string, max = 20_000) => {
    expect(entry64.split(line).length).toBe(2);
    const text = entry64.replace(line, "");
    return run(SPIN, { designs: ON, entrySource: { uri: "changed.S", text } }, max);
  };

  test("SWITCH_TO_KERNEL_CR3 on the way in: nothing that a fault needs is there, and the processor shuts down", () => {
    const { stop } = without("\tSWITCH_TO_KERNEL_CR3 scratch_reg=%rsp at=entry_SYSCALL_64\n");
    expect(stop).toMatchObject({ kind: "shutdown" });
  });

  test("SWITCH_TO_USER_CR3 on the way out: user mode cannot execute, for the kernel's PGD says so", () => {
    const { events } = without("\tSWITCH_TO_USER_CR3 scratch_reg=%rdi at=sysret\n");
    const fault = events.find((e) => e.type === "fault");
    expect(fault).toMatchObject({ vector: 14, errorCode: 0x15 });
  });

  test("the labels of the entry code: the user's error", () => {
    const text = entry64.replace(/\tENTRY_TEXT .*\n/g, "");
    expect(() => run(SPIN, { designs: ON, entrySource: { uri: "changed.S", text } })).toThrow("__entry_text_start");
  });
});

test("a table of descriptors is found from user mode, and not after the address space has another", () => {
  const text = `
	.globl _start
_start:	mov $154, %eax			# modify_ldt(1, &desc, 16): and for entry 1200, in the third page
	mov $1, %edi
	lea desc(%rip), %rsi
	mov $16, %edx
	syscall
	movl $1200, desc(%rip)
	mov $154, %eax
	syscall
	mov $(1200 * 8 + 7), %eax
	mov %eax, %fs
	movl $77, %fs:0
	mov value(%rip), %edi
	mov $60, %eax
	syscall
	.data
desc:	.long 0, value, 0xfffff, 0x51
value:	.long 0
`;
  const ran = run(source(text), { designs: ON });
  expect(ran.stop).toEqual({ kind: "exit", status: 77 });
});

test("address spaces come and go, and their pairs of pages with them", () => {
  const text = `
	.globl _start
_start:	mov $40, %r15d
1:	mov $57, %eax			# fork
	syscall
	test %eax, %eax
	jz child
	mov $61, %eax			# wait4(-1)
	mov $-1, %rdi
	xor %esi, %esi
	xor %edx, %edx
	xor %r10d, %r10d
	syscall
	dec %r15d
	jnz 1b
child:	mov $60, %eax
	xor %edi, %edi
	syscall
`;
  const { stop, system } = run(source(text), { designs: ON });
  expect(stop).toEqual({ kind: "exit", status: 0 });
  expect(system.kernel.state.pages.pgds!.length).toBeLessThan(4);
});
