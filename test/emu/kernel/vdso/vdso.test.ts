/** The vDSO images: byte for byte what GNU as makes of the same source, and ELF files that readelf understands. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { VDSO_KINDS, VDSO_SOURCES, type VdsoKind, vdsoImage } from "../../../../src/emu/kernel/vdso/index.ts";
import { requireTool } from "../../../tools.ts";

const dir = mkdtempSync(join(tmpdir(), "ringside-vdso-"));
afterAll(() => rmSync(dir, { recursive: true }));

const names: Record<32 | 64, string[]> = {
  64: ["__vdso_clock_gettime", "__vdso_gettimeofday", "__vdso_time", "__vdso_getcpu", "__vdso_clock_getres"],
  32: [
    "__kernel_vsyscall",
    "__kernel_sigreturn",
    "__kernel_rt_sigreturn",
    "__vdso_clock_gettime",
    "__vdso_gettimeofday",
    "__vdso_time",
    "__vdso_clock_gettime64",
    "__vdso_clock_getres",
    "__vdso_getcpu",
  ],
};

function gnu(kind: VdsoKind): Uint8Array {
  const { bits } = vdsoImage(kind);
  const source = join(dir, `vdso${bits}.S`);
  writeFileSync(source, VDSO_SOURCES[bits === 64 ? 0 : 1]!.text);
  const object = join(dir, `${kind}.o`);
  const entry = { "64": 0, "32-int80": 0, "32-sysenter": 1, "32-syscall": 2 }[kind];
  execFileSync("as", [`--${bits}`, "--defsym", `VDSO_ENTRY=${entry}`, source, "-o", object]);
  // the linker is only to place the two sections, and leaves duplicate CIEs alone
  const places = ["-Ttext=0", "--section-start=.eh_frame=0x1000", "--traditional-format", "-e", "0"];
  const emulation = bits === 64 ? "elf_x86_64" : "elf_i386";
  execFileSync("ld", ["-m", emulation, ...places, object, "-o", `${object}.elf`]);
  execFileSync("objcopy", ["-O", "binary", "-j", ".text", "-j", ".eh_frame", `${object}.elf`, `${object}.bin`]);
  return readFileSync(`${object}.bin`);
}

/** Where .eh_frame is, by the pointer in .eh_frame_hdr. */
function ehFrame(bytes: Uint8Array, headers: string): number {
  const row = headers.split("\n").find((line) => line.includes("GNU_EH_FRAME"))!;
  const at = Number.parseInt(row.trim().split(/\s+/)[1]!, 16);
  return at + 4 + new DataView(bytes.buffer, bytes.byteOffset).getInt32(at + 4, true);
}

/** NOPs, LEAs that change nothing, and the end of the section: what alignment puts between functions. */
const isPadding = (bytes: Uint8Array, at: number): boolean =>
  [0x00, 0x2e, 0x66, 0x8d, 0x90].includes(bytes[at]!) || (bytes[at] === 0x0f && bytes[at + 1] === 0x1f);

/** The code that frame descriptions speak of: distances from the field, of four bytes. */
function frameRanges(bytes: Uint8Array, bits: 32 | 64, start: number): [number, number][] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const ranges: [number, number][] = [];
  for (let at = start, size = 0; at + 8 <= bytes.length; at += 4 + size) {
    size = view.getUint32(at, true);
    if (size === 0) break;
    if (view.getUint32(at + 4, true) === 0) continue;
    const from = at + 8 + view.getInt32(at + 8, true);
    ranges.push([from, from + view.getUint32(at + 12, true)]);
  }
  expect(ranges.length, `${bits}-bit frames`).toBeGreaterThan(0);
  return ranges;
}

test.runIf(requireTool("as") && requireTool("readelf"))("trampolines unwind to the interrupted registers", () => {
  gnu("32-int80");
  const frames = execFileSync("readelf", ["-W", "--debug-dump=frames", join(dir, "32-int80.o")], { encoding: "utf8" });
  expect(frames).not.toContain("Unknown");
  const rules = [...frames.matchAll(/DW_CFA_(?:def_cfa_)?expression:?\s*(?:(r\d+) \(\w+\) )?\((.*)\)$/gm)];
  // struct sigcontext: at the stack pointer's 4, 0 once the argument is popped, and 160 behind siginfo and ucontext.
  const offsets = [4, 0, 160].flatMap((context) => [
    `cfa DW_OP_breg4 (esp): ${context + 28}; DW_OP_deref`,
    ...[44, 40, 36, 32].map((at, r) => `r${r} DW_OP_breg4 (esp): ${context + at}`),
    ...[24, 20, 16].map((at, i) => `r${i + 5} DW_OP_breg4 (esp): ${context + at}`),
    `r8 DW_OP_breg4 (esp): ${context + 56}`,
  ]);
  expect(rules.map(([, register, expression]) => `${register ?? "cfa"} ${expression}`)).toEqual(offsets);
});

describe.each(VDSO_KINDS)("%s", (kind) => {
  const image = vdsoImage(kind);

  test.runIf(requireTool("as") && requireTool("ld") && requireTool("objcopy"))("is what GNU as makes of it", () => {
    expect(Buffer.from(image.bytes.subarray(0, image.size)).toString("hex")).toBe(
      Buffer.from(gnu(kind)).toString("hex"),
    );
  });

  test.runIf(requireTool("readelf"))("is a shared object with its symbols and versions", () => {
    const file = join(dir, `${kind}.so`);
    writeFileSync(file, image.bytes);
    const output = execFileSync("readelf", ["-W", "-h", "-l", "-d", "-D", "-s", file], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect(output).toContain(kind === "64" ? "Library soname: [linux-vdso.so.1]" : "Library soname: [linux-gate.so.1]");
    for (const name of names[image.bits]) {
      const row = output.split("\n").find((line) => line.includes(` ${name}@@`));
      expect(row, name).toMatch(/FUNC\s+GLOBAL\s+DEFAULT\s+1 /);
      expect(row).toContain(name.startsWith("__kernel") ? "@@LINUX_2.5" : "@@LINUX_2.6");
      expect(Number.parseInt(row!.trim().split(/\s+/)[1]!, 16)).toBe(image.symbols.get(name));
    }
  });

  test.runIf(requireTool("readelf"))("says of every instruction how to unwind it", () => {
    const file = join(dir, `${kind}-frames.so`);
    writeFileSync(file, image.bytes);
    const dynamic = execFileSync("readelf", ["-W", "-l", file], { encoding: "utf8" });
    expect(dynamic).toContain("GNU_EH_FRAME");
    const covered = frameRanges(image.bytes, image.bits, ehFrame(image.bytes, dynamic));
    const code = image.symbols.get(names[image.bits][0]!)!;
    const instructions = image.lines.filter(({ address, bits }) => bits !== undefined && Number(address) >= code);
    for (const at of instructions.map(({ address }) => Number(address)).filter((at) => !isPadding(image.bytes, at)))
      expect(
        covered.some(([from, to]) => at >= from && at < to),
        `0x${at.toString(16)}`,
      ).toBe(true);
  });

  test("has lines for its code", () => {
    const start = image.symbols.get(names[image.bits][0]!)!;
    expect(image.lines.some((line) => line.address === BigInt(start) && line.bits === image.bits)).toBe(true);
  });
});

test("the 32-bit images agree in every address, and a restarted call lands on int $0x80", () => {
  const [int80, sysenter, syscall] = (["32-int80", "32-sysenter", "32-syscall"] as const).map(vdsoImage);
  expect(sysenter!.symbols).toEqual(int80!.symbols);
  expect(syscall!.symbols).toEqual(int80!.symbols);
  for (const image of [int80!, sysenter!, syscall!]) {
    const landing = image.symbols.get("int80_landing_pad")!;
    expect([...image.bytes.subarray(landing - 2, landing)]).toEqual([0xcd, 0x80]);
  }
  const fast = (image: typeof int80) => [
    ...image!.bytes.subarray(image!.symbols.get("int80_landing_pad")! - 6).subarray(0, 4),
  ];
  expect(fast(sysenter)).toEqual([0x89, 0xe5, 0x0f, 0x34]);
  expect(fast(syscall)).toEqual([0x89, 0xcd, 0x0f, 0x05]);
  expect(fast(int80)).toEqual([0x90, 0x90, 0x90, 0x90]);
});
