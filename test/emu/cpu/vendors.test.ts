/**
 * Every row of docs/vendors.md, observed on both vendors' processors: what is seen must be what the row's test says for each, and must
 * differ. And the table is whole: whatever source asks for the vendor is named in it.
 */
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { leafOf } from "../../../src/emu/cpu/system/cpuid.ts";
import { resetCpu } from "../../../src/emu/cpu/system/reset.ts";
import { decodeOne } from "./encodings.ts";
import { AMD, fromHex, INTEL, TestMachine } from "./kit.ts";
import { AT, Bench, EFLAGS, GPR, handler, type Mode, OFF, S, SEG, type Vendor } from "./system/kit.ts";

interface Difference {
  readonly see: (vendor: Vendor) => unknown;
  readonly intel: unknown;
  readonly amd: unknown;
}

const UD = "#6:0";
/** The fault as text; "done" without one. */
function run(b: Bench, hex: string): string {
  const fault = b.exec(...fromHex(hex));
  return fault === undefined ? "done" : `#${fault.vector}:${fault.errorCode}`;
}
const at = (mode: Mode, vendor: Vendor, cpl: 0 | 3 = 0): Bench => {
  const b = new Bench(mode, vendor);
  if (cpl === 3) b.atCpl(3, mode);
  return b;
};
function syscalls(mode: Mode, vendor: Vendor, cpl: 0 | 3): Bench {
  const b = at(mode, vendor, cpl);
  b.cpu.set32(OFF.EFER, b.cpu.get32(OFF.EFER) | 1);
  b.cpu.set64(OFF.STAR, 0x0023_0028_0000_5000n);
  b.cpu.set64(OFF.LSTAR, 0x6000n);
  b.cpu.set64(OFF.CSTAR, 0x7000n);
  return b;
}
const withSysenter = (mode: Mode, vendor: Vendor, cpl: 0 | 3): Bench => {
  const b = at(mode, vendor, cpl);
  b.cpu.set64(OFF.SYSENTER_CS, BigInt(S.CODE0));
  return b;
};
function leaf(vendor: Vendor, eax: number, mode: Mode = "long", ecx = 0) {
  const b = new Bench(mode, vendor);
  b.cpu.setGpr(GPR.RCX, BigInt(ecx));
  return leafOf(b.cpu, eax, ecx);
}
const bits = (value: number, ...which: number[]): number[] => which.map((bit) => (value >>> bit) & 1);
function writeMsr(b: Bench, number: number, value: bigint): string {
  b.cpu.setGpr(GPR.RCX, BigInt(number));
  b.cpu.setGpr(GPR.RAX, BigInt.asUintN(32, value));
  b.cpu.setGpr(GPR.RDX, BigInt.asUintN(32, value >> 32n));
  return run(b, "0f30");
}
/** Where a branch in 64-bit code at 0x20000 leads. */
function branch(vendor: Vendor, hex: string, prepare: (b: Bench) => void = () => {}): number[] {
  const b = new Bench("long", vendor);
  fromHex(hex).forEach((byte, i) => void b.write(AT.CODE + i, 1, byte));
  prepare(b);
  b.cpu.run(1);
  return [b.rip, b.rsp];
}

const DIFFERENCES: Readonly<Record<string, Difference>> = {
  "SYSCALL, SYSRET outside 64-bit mode": {
    see: (vendor) => {
      const compat = syscalls("compat", vendor, 3);
      const legacy = syscalls("protected", vendor, 3);
      legacy.setFlags(EFLAGS.IF | EFLAGS.TF);
      return [run(compat, "0f05"), compat.rip, run(legacy, "0f05"), legacy.rip, legacy.flags & (EFLAGS.IF | EFLAGS.TF)];
    },
    intel: [UD, AT.CODE, UD, AT.CODE, EFLAGS.IF | EFLAGS.TF],
    amd: ["done", 0x7000, "done", 0x5000, EFLAGS.TF],
  },
  "SYSRET to 64-bit code with a non-canonical RCX": {
    see: (vendor) => {
      const b = syscalls("long", vendor, 0);
      b.cpu.setGpr(GPR.RCX, 1n << 47n);
      return [run(b, "480f07"), b.cpu.cpl];
    },
    intel: ["#13:0", 0],
    amd: ["done", 3],
  },
  "SYSRET and SS": {
    see: (vendor) => {
      const b = syscalls("long", vendor, 0);
      b.null(SEG.SS);
      b.cpu.setGpr(GPR.RCX, 0x1000n);
      expect(run(b, "480f07")).toBe("done");
      return [b.cpu.selector(SEG.SS), b.cpu.segAttr(SEG.SS) & 0xffff];
    },
    intel: [0x2b, 0xc0f3],
    amd: [0x2b, 0],
  },
  "SYSRET from legacy mode, flags": {
    see: (vendor) => {
      const b = syscalls("protected", vendor, 0);
      b.cpu.setGpr(GPR.RCX, 0x1234n);
      b.setFlags(EFLAGS.CF);
      return [run(b, "0f07"), b.flags & (EFLAGS.CF | EFLAGS.IF)];
    },
    intel: [UD, EFLAGS.CF],
    amd: ["done", EFLAGS.CF | EFLAGS.IF],
  },
  "SYSENTER, SYSEXIT in long mode": {
    see: (vendor) => [
      run(withSysenter("long", vendor, 3), "0f34"),
      run(withSysenter("compat", vendor, 3), "0f34"),
      run(withSysenter("long", vendor, 0), "480f35"),
      run(withSysenter("protected", vendor, 3), "0f34"),
    ],
    intel: ["done", "done", "done", "done"],
    amd: [UD, UD, UD, "done"],
  },
  "MSRs IA32_SYSENTER_ESP, IA32_SYSENTER_EIP": {
    see: (vendor) => {
      const b = new Bench("long", vendor);
      const canonical = writeMsr(b, 0x176, 0xffff_8000_1234_5678n);
      const kept = b.cpu.get64(OFF.SYSENTER_EIP);
      return [canonical, kept, writeMsr(b, 0x175, 1n << 47n), b.cpu.get64(OFF.SYSENTER_ESP)];
    },
    intel: ["done", 0xffff_8000_1234_5678n, "#13:0", 0n],
    amd: ["done", 0x1234_5678n, "done", 0n],
  },
  "loading a null selector": {
    see: (vendor) => {
      const b = new Bench("long", vendor);
      b.cpu.setAddr(OFF.SEG + SEG.FS * 0x40 + 0x10, 0x7f0012345000);
      b.cpu.setGpr(GPR.RAX, 0n);
      expect(run(b, "8ee0")).toBe("done");
      return b.cpu.segBase(SEG.FS);
    },
    intel: 0,
    amd: 0x7f0012345000,
  },
  "IRET, RETF to 16- or 32-bit code with a 16-bit stack segment": {
    see: (vendor) => {
      const b = new Bench("long", vendor);
      // The frame's page once more in the upper half, where the kernel's stack pointer is.
      b.write(AT.TABLES + 256 * 8, 8, AT.TABLES + 0x1000 + 7);
      b.pushAll(8, [0x1234, S.CODE3 | 3, EFLAGS.FIXED, 0x5a5b_6c6d_7e7fn, S.STACK3_16 | 3], 0x128000);
      b.cpu.setGpr(GPR.RSP, 0xffff_8000_0012_8000n);
      return [run(b, "48cf"), b.cpu.gpr(GPR.RSP)];
    },
    intel: ["done", 0x0012_7e7fn],
    amd: ["done", 0xffff_8000_0012_7e7fn],
  },
  "far JMP/CALL m16:64, LSS/LFS/LGS r64": {
    see: (vendor) => {
      const b = at("long", vendor, 3);
      b.write(0x5000, 8, 0x0000_0020_0000_1234n);
      b.write(0x5008, 2, S.CODE3_64);
      b.cpu.setGpr(GPR.RAX, 0x5000n);
      return [run(b, "48ff28"), b.rip];
    },
    intel: ["done", 0x20_0000_1234],
    amd: ["#13:32", AT.CODE],
  },
  "near branches with prefix 66 in 64-bit mode": {
    see: (vendor) => [
      branch(vendor, "66e900010000"),
      branch(vendor, "66c3", (b) => b.write(AT.STACK0, 8, 0x1_2345)),
      branch(vendor, "66ffe0", (b) => b.cpu.setGpr(GPR.RAX, 0x1_2345n)),
    ],
    intel: [
      [AT.CODE + 6 + 0x100, AT.STACK0],
      [0x1_2345, AT.STACK0 + 8],
      [0x1_2345, AT.STACK0],
    ],
    amd: [
      [0x104, AT.STACK0],
      [0x2345, AT.STACK0 + 2],
      [0x2345, AT.STACK0],
    ],
  },
  "UD0 (0F FF)": {
    see: (vendor) => {
      const b = new Bench("long", vendor);
      b.mapPage(AT.CODE + 0x1000, 0);
      b.write(AT.CODE + 0xffe, 2, 0xff0f);
      b.cpu.setRip(AT.CODE + 0xffe, 0);
      b.cpu.run(1);
      return (b.rip - handler(0)) / 16;
    },
    intel: 14,
    amd: 6,
  },
  "PUSH of a segment register, 32-bit operand": {
    see: (vendor) => {
      const b = new Bench("protected", vendor);
      b.write(AT.STACK0 - 4, 4, 0xffffffff);
      run(b, "1e");
      return b.read(AT.STACK0 - 4, 4);
    },
    intel: 0xffff0000 + S.DATA0,
    amd: S.DATA0,
  },
  "LOCK MOV CR0 outside 64-bit mode": {
    see: (vendor) => {
      const b = new Bench("protected", vendor);
      b.cpu.setGpr(GPR.RAX, 5n);
      return [run(b, "f00f22c0"), b.cpu.get32(OFF.CR8)];
    },
    intel: [UD, 0],
    amd: ["done", 5],
  },
  "MSRs IA32_MISC_ENABLE, IA32_UMWAIT_CONTROL": {
    see: (vendor) => [0x1a0, 0xe1].map((msr) => writeMsr(new Bench("long", vendor), msr, 1n)),
    intel: ["done", "done"],
    amd: ["#13:0", "#13:0"],
  },
  "x87 opcode, operand and selectors (FOP, FDP, FCS, FDS)": {
    see: (vendor) => {
      const m = new TestMachine({ bits: 64, model: vendor === "amd" ? AMD : INTEL });
      // fninit; fld1; fadd dword [rdi]; fnstenv [rsi]
      m.set("RDI", 0x40000).set("RSI", 0x41000).load("dbe3d9e8d807d936").run(4);
      const image = [16, 20, 24].map((offset) => m.read(0x41000 + offset, 4));
      return { selectorAndOpcode: image[0], operand: image[1], operandSelector: image[2]! & 0xffff };
    },
    intel: { selectorAndOpcode: 0, operand: 0, operandSelector: 0 },
    amd: { selectorAndOpcode: 0x007_0008, operand: 0x40000, operandSelector: 0x10 },
  },
  "REP MOVS and REP STOS with 32-bit addresses in 64-bit mode": {
    see: (vendor) => {
      const m = new TestMachine({ bits: 64, model: vendor === "amd" ? AMD : INTEL });
      const high = 0x1234_0000_0000n;
      // ECX is 0: nothing is moved.
      for (const reg of ["RCX", "RSI", "RDI"] as const) m.set(reg, high);
      m.load("67f3a4").run(1);
      return (["RCX", "RSI", "RDI"] as const).map((reg) => m.get(reg) === high);
    },
    intel: [false, false, false],
    amd: [true, true, true],
  },
  "SERIALIZE, UMONITOR, UMWAIT, TPAUSE": {
    see: (vendor) => ["0f01e8", "f30faef0", "f20faef1", "660faef1"].map((hex) => run(new Bench("long", vendor), hex)),
    intel: ["done", "done", "done", "done"],
    amd: [UD, UD, UD, UD],
  },
  "MONITORX, MWAITX, CLZERO, RDPRU, SSE4A": {
    see: (vendor) =>
      ["0f01fa", "0f01fb", "0f01fc", "0f01fd", "660f79ca"].map((hex) => {
        const b = new Bench("long", vendor);
        b.cpu.set32(OFF.CR4, b.cpu.get32(OFF.CR4) | 0x200);
        return run(b, hex);
      }),
    intel: [UD, UD, UD, UD, UD],
    amd: ["done", "done", "done", "done", "done"],
  },
  "CPUID leaf 0x80000001 EDX": {
    see: (vendor) => [
      bits(leaf(vendor, 0x8000_0001).edx, 11, 0, 24),
      bits(leaf(vendor, 0x8000_0001, "compat").edx, 11),
    ],
    intel: [[1, 0, 0], [0]],
    amd: [[1, 1, 1], [1]],
  },
  "CPUID leaf 0x80000000 EBX, ECX, EDX": {
    see: (vendor) => {
      const { ebx, ecx, edx } = leaf(vendor, 0x8000_0000);
      return Buffer.from(new Uint32Array([ebx, edx, ecx]).buffer).toString("latin1");
    },
    intel: "\0".repeat(12),
    amd: "AuthenticAMD",
  },
  "CPUID above the highest basic leaf": {
    see: (vendor) => Object.values(leaf(vendor, 0x20)).every((register) => register === 0),
    intel: false,
    amd: true,
  },
  "CPUID: what only one reports": {
    see: (vendor) => [
      bits(leaf(vendor, 7).ebx, 6, 13),
      bits(leaf(vendor, 7).ecx, 5),
      bits(leaf(vendor, 7).edx, 14),
      bits(leaf(vendor, 0x8000_0001).ecx, 6, 29),
      bits(leaf(vendor, 0x8000_0008).ebx, 0, 2, 4, 20),
      leaf(vendor, 0x8000_0008).edx,
    ],
    intel: [[1, 1], [1], [1], [0, 0], [0, 0, 0, 0], 0],
    amd: [[0, 0], [0], [0], [1, 1], [1, 1, 1, 1], 0x10000],
  },
  "CPUID leaves 0 and 1, and EDX after RESET": {
    see: (vendor) => {
      const b = new Bench("real", vendor);
      resetCpu(b.cpu);
      return [leaf(vendor, 0).ebx, leaf(vendor, 1).eax, b.cpu.gprLow(GPR.RDX)];
    },
    intel: [0x756e_6547, 0x506e3, 0x506e3],
    amd: [0x6874_7541, 0x800f12, 0x800f12],
  },
};

const ROOT = path.resolve(import.meta.dirname, "../../..");
const [table] = readFileSync(path.join(ROOT, "docs/vendors.md"), "utf8").split("\n## ");
const rows = table!
  .split("\n")
  .filter((line) => line.startsWith("| ") && !line.startsWith("| what"))
  .map((line) =>
    line
      .split("|")
      .map((cell) => cell.trim())
      .slice(1, -1),
  );

describe("docs/vendors.md", () => {
  it("has a test here for each row, and a row for each test", () => {
    expect(rows.map(([what]) => what)).toEqual(Object.keys(DIFFERENCES));
  });
  it.each(Object.entries(DIFFERENCES))("%s", (_what, { see, intel, amd }) => {
    expect(intel).not.toEqual(amd);
    expect({ intel: see("intel"), amd: see("amd") }).toEqual({ intel, amd });
  });
  it("names every file that asks for the vendor", () => {
    const named = new Set(rows.flatMap((cells) => cells[3]!.match(/[\w/-]+\.ts/g) ?? []));
    const folder = path.join(ROOT, "src/emu/cpu");
    const asks = (readdirSync(folder, { recursive: true }) as string[])
      .filter((file) => file.endsWith(".ts"))
      .filter((file) =>
        /\bmodel\.vendor\b|\{ vendor \} = (this\.)?cpu\.model|hasFeature\(|announced\(/.test(
          readFileSync(path.join(folder, file), "utf8"),
        ),
      );
    expect(asks.length).toBeGreaterThan(8);
    expect(asks.filter((file) => !named.has(file))).toEqual([]);
    expect([...named].filter((file) => !(readdirSync(folder, { recursive: true }) as string[]).includes(file))).toEqual(
      [],
    );
  });
  it("the decoder's own AMD mode is asked for once, and is what some rows say", () => {
    // 66 C3: RET.
    expect([false, true].map((amd) => decodeOne([0x66, 0xc3], 64, amd)!.opSize)).toEqual([64, 16]);
  });
});
