/** espfix64: what ESP[31:16] becomes after a return to a 16-bit stack, with and without it, and the aliases in the page tables. */
import { describe, expect, test } from "vitest";
import { OFF } from "../../../src/emu/cpu/layout.ts";
import { ESPFIX_MAX_CPUS, ESPFIX_PAGE_SPACE, espfixBaseAddr } from "../../../src/emu/kernel/boot/espfix.ts";
import { ESPFIX_BASE_ADDR } from "../../../src/emu/kernel/layout/linux-6.1-64.ts";
import { frameOf } from "../../../src/emu/kernel/mm/pagetable.ts";
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
  test("every CPU has a ministack of its own, with alias bits zero", () => {
    const placement = { pageRandom: 1234, slotRandom: 17 };
    const seen = new Set<number>();
    const inSlot = 2 ** 39;
    for (let cpu = 0; cpu < ESPFIX_MAX_CPUS; cpu += 61) {
      const addr = espfixBaseAddr(cpu, placement);
      const low = addr - ESPFIX_BASE_ADDR;
      expect(low >= 0 && low < inSlot).toBe(true);
      expect(Math.floor(low / 65536) % 65536).toBe(0);
      expect(low % 64).toBe(0);
      seen.add(addr);
    }
    expect(seen.size).toBe(Math.ceil(ESPFIX_MAX_CPUS / 61));
    expect(ESPFIX_MAX_CPUS).toBe(2 ** 17);
    expect(ESPFIX_PAGE_SPACE).toBe(2 ** 11);
  });

  test("a walk of the page tables by hand leads from 100 aliases to one read-only page", () => {
    const { system } = run(source(PROGRAM, 32));
    const { kernel, machine } = system;
    const cpu = machine.cpus[0]!;
    const root = Number(cpu.get64(OFF.CR3)) & ~0xfff;
    const base = BigInt.asUintN(64, kernel.perCpu(cpu, "espfix_stack"));
    const pages = new Set<number>();
    for (let i = 0; i < 100; i++) {
      const alias = base | (BigInt((i * 7919 + 3) & 0xffff) << 16n);
      let table = root;
      let entry = 0n;
      for (const shift of [39n, 30n, 21n, 12n]) {
        const index = Number((alias >> shift) & 0x1ffn);
        const bytes = kernel.memory.readPhys(table + index * 8, 8);
        entry = new DataView(bytes.buffer).getBigUint64(0, true);
        expect(entry & 1n).toBe(1n);
        table = frameOf(entry);
      }
      expect(entry & 2n).toBe(0n);
      pages.add(table);
    }
    expect(pages.size).toBe(1);
    const writable = Number(BigInt.asIntN(64, kernel.perCpu(cpu, "espfix_waddr")));
    expect(kernel.memory.phys(writable) & ~0xfff).toBe([...pages][0]);
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
