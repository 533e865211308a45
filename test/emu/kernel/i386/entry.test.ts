/** entry_32.S: our assembler against GNU as, and the layout's arithmetic. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { assemble, link } from "../../../../src/asmlang/index.ts";
import calling from "../../../../src/emu/kernel/entry/calling.S?raw";
import calling32 from "../../../../src/emu/kernel/entry/calling_32.S?raw";
import entry32 from "../../../../src/emu/kernel/entry/entry_32.S?raw";
import {
  CPU_ENTRY_AREA,
  cpuEntryArea,
  LINUX_6_1_32 as layout,
  TSS_LIMIT,
  TSS_PAGES,
} from "../../../../src/emu/kernel/i386/layout.ts";
import { requireTool } from "../../../tools.ts";

const dir = mkdtempSync(join(tmpdir(), "ringside-entry-"));
afterAll(() => rmSync(dir, { recursive: true }));

const files: Record<string, string> = { "calling.S": calling, "calling_32.S": calling32, "entry_32.S": entry32 };
/** The up-calls' addresses do not matter here: the text is checked, not run. */
const UPCALLS = 0xc1ff_0000;

const defines = (espfix: number) => ({ ...layout.defines, CONFIG_X86_ESPFIX32: espfix, X86_FEATURE_SMAP: 1 });

function ours(espfix: number) {
  const object = assemble(
    { uri: "entry_32.S", text: entry32 },
    {
      dialect: "gas",
      bits: 32,
      defines: defines(espfix),
      include: (name) => (files[name] === undefined ? undefined : { uri: name, text: files[name] }),
    },
  );
  expect(object.diagnostics).toEqual([]);
  return object;
}

function gnu(espfix: number, externals: readonly string[], text: bigint): Buffer {
  for (const [name, source] of Object.entries(files)) writeFileSync(join(dir, name), source);
  const given = Object.entries(defines(espfix));
  const object = join(dir, "entry.o");
  const symbols = given.flatMap(([name, value]) => ["--defsym", `${name}=${value}`]);
  execFileSync("as", ["--32", "-I", dir, ...symbols, join(dir, "entry_32.S"), "-o", object]);
  const script = `SECTIONS { . = ${text}; .entry.text : { *(.entry.text) } . = 0xc1100000; .text : { *(.text) } . = 0xc1200000; .data : { *(.data) } . = 0xc1300000; __ex_table : { *(__ex_table) } }`;
  writeFileSync(join(dir, "entry.ld"), script);
  const image = join(dir, "entry.elf");
  const stubs = externals.map((name) => `--defsym=${name}=${UPCALLS}`);
  execFileSync("ld", ["-m", "elf_i386", "-T", join(dir, "entry.ld"), ...stubs, object, "-o", image], { stdio: "pipe" });
  execFileSync("objcopy", ["-O", "binary", "-j", ".entry.text", image, `${image}.bin`]);
  return readFileSync(`${image}.bin`);
}

describe("entry_32.S", () => {
  test.runIf(requireTool("as") && requireTool("ld")).each([0, 1])("is what GNU as makes of it, espfix %i", (espfix) => {
    const object = ours(espfix);
    const externals = object.symbols.filter((symbol) => symbol.section === undefined).map((symbol) => symbol.name);
    expect(externals).toContain("do_SYSENTER_32");
    const stubs = assemble(
      { uri: "stubs.S", text: externals.map((name) => `.globl ${name}\n.set ${name}, ${UPCALLS}\n`).join("") },
      { dialect: "gas", bits: 32 },
    );
    const addresses = {
      ".entry.text": 0xc100_0000n,
      ".text": 0xc110_0000n,
      ".data": 0xc120_0000n,
      __ex_table: 0xc130_0000n,
    };
    const image = link([object, stubs], { base: 0xc100_0000n, sectionBase: addresses });
    expect(image.diagnostics).toEqual([]);
    const text = image.segments.find((segment) => segment.section === ".entry.text")!;
    expect(Buffer.from(text.bytes).toString("hex")).toBe(gnu(espfix, externals, text.address).toString("hex"));
  });

  test("without espfix no instruction of it is left", () => {
    const size = (espfix: number) => ours(espfix).sections.find((section) => section.name === ".entry.text")!.size;
    expect(size(1)).toBeGreaterThan(size(0));
    const names = (espfix: number) => ours(espfix).symbols.map((symbol) => symbol.name);
    expect(names(1)).toContain("nmi_espfix_stack");
    expect(names(0)).not.toContain("nmi_espfix_stack");
  });
});

describe("layout", () => {
  test("structures are those of the i386 kernel", () => {
    expect(layout.ptRegsSize).toBe(68);
    expect(layout.defines.PT_OLDSS).toBe(64);
    expect(layout.defines.PT_ORIG_EAX).toBe(44);
    expect(layout.selectors).toEqual({
      __KERNEL_CS: 0x60,
      __KERNEL_DS: 0x68,
      __USER_CS: 0x73,
      __USER_DS: 0x7b,
      __ESPFIX_SS: 0xd0,
      __KERNEL_PERCPU: 0xd8,
    });
    expect(TSS_LIMIT).toBeLessThan(TSS_PAGES * 4096);
  });
  test("TSS_entry2task_stack leads from the entry stack's end to TSS.sp1", () => {
    const end = cpuEntryArea(3) + CPU_ENTRY_AREA.entry_stack + 4096;
    const sp1 = cpuEntryArea(3) + CPU_ENTRY_AREA.tss + layout.tss.sp1!.offset;
    expect(end + Number(layout.defines.TSS_entry2task_stack)).toBe(sp1);
  });
  test("SYSEXIT's selectors follow from SYSENTER_CS", () => {
    const { __KERNEL_CS = 0, __KERNEL_DS, __USER_CS, __USER_DS } = layout.selectors;
    expect([__KERNEL_CS + 8, (__KERNEL_CS + 16) | 3, (__KERNEL_CS + 24) | 3]).toEqual([
      __KERNEL_DS,
      __USER_CS,
      __USER_DS,
    ]);
  });
  test("eight CPUs' entry areas fit below the end of the address space", () => {
    expect(cpuEntryArea(8)).toBeLessThan(2 ** 32);
  });
});
