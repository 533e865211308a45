/** Presets: the flags of older kernels where they were, the order of their exit work, and programs that run under each. */
import { describe, expect, test } from "vitest";
import { DESIGNS } from "../../../src/emu/kernel/designs/design-table.ts";
import { chooseDesigns } from "../../../src/emu/kernel/designs/designs.ts";
import { PRESETS } from "../../../src/emu/kernel/designs/presets.ts";
import { archOf } from "../../../src/emu/kernel/system.ts";
import { exits, image, run, source } from "./kit.ts";

const NAMES = PRESETS.map(({ name }) => name);
const layoutOf = (preset: string, arch: "x86_64" | "i386" = "x86_64") => {
  const choice = chooseDesigns(preset, {});
  if (typeof choice === "string") throw new Error(choice);
  return archOf(arch, choice).layout;
};

test("every preset says what it reproduces and where from", () => {
  expect(NAMES).toEqual(["linux-6.1", "linux-4.6", "linux-4.0", "linux-3.14"]);
  for (const { facts, source: read } of PRESETS) {
    expect(facts.length).toBeGreaterThan(0);
    expect(read).toMatch(/Linux \d/);
    for (const fact of facts) expect(fact).toMatch(/:|came with/);
  }
});

describe.each(NAMES)("%s", (preset) => {
  test("its flags are bits of their own, and its work asks for flags that it has", () => {
    const { tif, syscallWork, exitWork, work, threadInfo } = layoutOf(preset);
    for (const bits of [tif, syscallWork]) expect(new Set(Object.values(bits)).size).toBe(Object.keys(bits).length);
    for (const { flags } of [...exitWork.loop, ...exitWork.late])
      for (const flag of flags) expect(tif).toHaveProperty(flag);
    const looped = exitWork.loop.flatMap(({ flags }) => flags).reduce((mask, flag) => mask | (1 << tif[flag]!), 0);
    expect(work.exitToUserMode).toBe(looped);
    const isOld = preset !== "linux-6.1";
    expect("NOHZ" in tif && "IA32" in tif && "X32" in tif).toBe(isOld);
    expect(threadInfo.syscall_work === threadInfo.flags).toBe(isOld);
  });

  test("designs add flags that it has not", () => {
    for (const { key, value } of DESIGNS) {
      const choice = chooseDesigns(preset, { [key]: value });
      if (typeof choice === "string") throw new Error(choice);
      const bits = Object.values(archOf("x86_64", choice).layout.tif);
      expect(new Set(bits).size, `${key}=${value}`).toBe(bits.length);
    }
  });

  test.each(["x86_64", "i386"] as const)("runs a program that forks, takes a signal and waits, on %s", (arch) => {
    const text = `
	.code32
	.globl _start
_start:	mov $67, %eax			# sigaction(SIGUSR1)
	mov $10, %ebx
	mov $action, %ecx
	xor %edx, %edx
	int $0x80
	mov $2, %eax			# fork
	int $0x80
	test %eax, %eax
	jz child
	mov $7, %eax			# waitpid(-1, &status, 0)
	mov $-1, %ebx
	mov $status, %ecx
	xor %edx, %edx
	int $0x80
	mov status, %ebx
	shr $8, %ebx
	mov $1, %eax
	int $0x80
child:	mov $20, %eax
	int $0x80
	mov %eax, %ebx
	mov $37, %eax			# kill(getpid(), SIGUSR1)
	mov $10, %ecx
	int $0x80
	mov seen, %ebx
	mov $1, %eax
	int $0x80
handler: movl $42, seen
	ret
	.data
action:	.long handler, 0, 0, 0
status:	.long 0
seen:	.long 0
`;
    const ran = run({ kind: "image", name: "test", image: image(text, 32) }, { preset, arch, cpus: 1 });
    expect(ran.stop).toEqual({ kind: "exit", status: 42 });
    const { kernel } = ran.system;
    expect(kernel.layout.tif.IA32 === undefined || arch === "i386").toBe(preset === "linux-6.1" || arch === "i386");
  });

  test("a task of 32-bit code has TIF_IA32 where that exists", () => {
    const spin = "\t.code32\n\t.globl _start\n_start:\tjmp _start\n";
    const { kernel } = run({ kind: "image", name: "test", image: image(spin, 32) }, { preset }, 2000).system;
    const task = kernel.state.tasks.find(({ idle }) => !idle)!;
    expect(kernel.testFlag(task, "ADDR32")).toBe(true);
    expect(kernel.testFlag(task, "IA32")).toBe(preset !== "linux-6.1");
  });
});

test("a clean call leaves by SYSRET under all of them; after a sigreturn it depends", () => {
  const program = source(`
	.globl _start
_start:	mov $13, %eax
	mov $10, %edi
	lea action(%rip), %rsi
	xor %edx, %edx
	mov $8, %r10d
	syscall
	mov $39, %eax
	syscall
	mov %eax, %edi
	mov $62, %eax
	mov $10, %esi
	syscall
	mov $60, %eax
	xor %edi, %edi
	syscall
handler: ret
restore: mov $15, %eax
	syscall
	.data
action:	.quad handler, 0x04000000, restore, 0
`);
  const after = (preset: string, name: string) => {
    const { events } = run(program, { preset });
    return exits(events.slice(events.findIndex((e) => e.type === "syscall-enter" && e.name === name)))[0]!.instruction;
  };
  expect(NAMES.map((preset) => after(preset, "getpid"))).toEqual(["sysret", "sysret", "sysret", "sysret"]);
  expect(NAMES.map((preset) => after(preset, "rt_sigreturn"))).toEqual(["sysret", "sysret", "sysret", "iret"]);
});
