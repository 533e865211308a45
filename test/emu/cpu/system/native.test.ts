/**
 * The processor at hand as the oracle: the same LDT, the same selectors, the same operations at CPL 3, natively and here. Vectors,
 * error codes, LAR and LSL results, flags loaded by POPF and IRETQ, and RSP after IRETQ to every pair of code and stack segment.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { setSegmentRaw } from "../../../../src/emu/cpu/system/segment.ts";
import { requireTool } from "../../../tools.ts";
import { AT, Bench, EFLAGS, GPR, INSN, OFF, SEG, type Vendor } from "./kit.ts";

interface Entry {
  readonly limit: number;
  /** struct user_desc: 1 = 32-bit, 2 and 4 = contents, 8 = read/execute only, 0x10 = pages, 0x20 = not present, 0x40 = useable. */
  readonly flags: number;
}
const entry = (limit: number, flags: number): Entry => ({ limit, flags });
const [B32, DATA, DOWN, CODE, CONFORMING, ONLY, PAGES, ABSENT, AVL] = [1, 0, 2, 4, 6, 8, 0x10, 0x20, 0x40];
const LDT: readonly Entry[] = [
  entry(0xfffff, DATA | PAGES), // 16-bit stack: index 0, and code: index 1, are what iret-sp uses
  entry(0xfffff, CODE | PAGES),
  entry(0xfffff, DATA | PAGES | B32),
  entry(0xfffff, CODE | PAGES | B32),
  entry(0xfff, DATA | ONLY | B32),
  entry(0x1234, DATA | DOWN | B32),
  entry(0x0fff, DATA | DOWN),
  entry(0xfffff, CODE | ONLY | PAGES | B32),
  entry(0x0fff, CODE | B32),
  entry(0xfffff, DATA | PAGES | B32 | ABSENT),
  entry(0xfffff, CODE | PAGES | B32 | ABSENT),
  entry(0xfffff, CONFORMING | PAGES | B32 | ABSENT),
  entry(0xfffff, DATA | PAGES | B32 | AVL),
];

/** As Linux fills it: DPL 3, accessed. */
function descriptor({ limit, flags }: Entry): bigint {
  const contents = (flags >> 1) & 3;
  const type = (contents << 2) | (flags & ONLY ? 0 : 2) | 1;
  const access = (flags & ABSENT ? 0 : 0x80) | 0x70 | type;
  const high =
    (access << 8) |
    (limit & 0xf0000) |
    (flags & AVL ? 1 << 20 : 0) |
    (flags & B32 ? 1 << 22 : 0) |
    (flags & PAGES ? 1 << 23 : 0);
  return (BigInt(high >>> 0) << 32n) | BigInt(limit & 0xffff);
}

/** Linux's GDT as user code can see it. */
const GDT: Readonly<Record<number, bigint>> = {
  8: 0x00cf_9b00_0000_ffffn,
  16: 0x00af_9b00_0000_ffffn,
  24: 0x00cf_9300_0000_ffffn,
  32: 0x00cf_fb00_0000_ffffn,
  40: 0x00cf_f300_0000_ffffn,
  48: 0x00af_fb00_0000_ffffn,
  64: 0x0000_8b00_3000_2087n,
  80: 0x0000_8200_4000_0fffn,
};

const OPERATIONS: Readonly<Record<string, readonly number[]>> = {
  ds: [0x8e, 0xde],
  es: [0x8e, 0xc6],
  fs: [0x8e, 0xe6],
  gs: [0x8e, 0xee],
  ss: [0x8e, 0xd6],
  lar: [0x0f, 0x02, 0xc6],
  lsl: [0x0f, 0x03, 0xc6],
  verr: [0x0f, 0x00, 0xe6],
  verw: [0x0f, 0x00, 0xee],
  lss: [0x0f, 0xb2, 0x07],
  jmp: [0xff, 0x2f],
  call: [0xff, 0x1f],
  retf: INSN.RETFQ,
  iret_cs: INSN.IRETQ,
  iret_ss: INSN.IRETQ,
  iret_ss32: INSN.IRETQ,
};
const QUERIES = new Set(["lar", "lsl", "verr", "verw"]);
const OFFSET = 0x401000;

const fresh = new Map<Vendor, () => Bench>();
/** A user program's machine; the same object each time, put back to its first state. */
function bench(vendor: Vendor): Bench {
  const known = fresh.get(vendor);
  if (known !== undefined) return known();
  const b = build(vendor);
  const restore = b.saved();
  fresh.set(vendor, () => {
    restore();
    return b;
  });
  return b;
}

function build(vendor: Vendor): Bench {
  const b = new Bench("long", vendor);
  for (let s = 8; s < 0x80; s += 8) b.setDescriptor(s, GDT[s] ?? 0n);
  b.cpu.set32(OFF.GDTR_LIMIT, 0x7f);
  LDT.forEach((e, i) => void b.write(AT.LDT + i * 8, 8, descriptor(e)));
  setSegmentRaw(b.cpu, SEG.LDTR, { selector: 0x50, attr: 0x82, base: AT.LDT, limit: LDT.length * 8 - 1 });
  b.cpu.set32(OFF.CPL, 3);
  b.load(SEG.CS, 0x33);
  b.load(SEG.SS, 0x2b);
  b.cpu.setRip(AT.CODE, 0);
  b.cpu.setGpr(GPR.RSP, BigInt(AT.STACK3));
  b.cpu.updateMode();
  return b;
}

/** One line as the native program prints it. */
function emulate(vendor: Vendor, name: string, selector: number): string {
  const b = bench(vendor);
  const frame = 0x5000;
  const cs = name === "iret_ss" ? 0x33 : name === "iret_ss32" ? 0x23 : selector;
  b.write(frame, 8, OFFSET);
  if (name.startsWith("iret"))
    [cs, EFLAGS.IF, AT.STACK3, cs === selector ? 0x2b : selector].forEach(
      (w, i) => void b.write(frame + 8 + i * 8, 8, w),
    );
  if (name.startsWith("iret_ss")) b.write(frame + 32, 8, selector);
  if (name === "retf") b.write(frame + 8, 8, selector);
  if (name === "lss" || name === "jmp" || name === "call") b.write(frame + 4, 2, selector);
  if (name === "retf" || name.startsWith("iret")) b.cpu.setGpr(GPR.RSP, BigInt(frame));
  b.cpu.setGpr(GPR.RDI, BigInt(frame));
  b.cpu.setGpr(GPR.RSI, BigInt(selector));
  b.cpu.setGpr(GPR.RAX, name === "lar" || name === "lsl" ? 0xaaaaaaaan : 0n);
  const fault = b.exec(...OPERATIONS[name]!);
  const query = QUERIES.has(name) && fault === undefined;
  const value = query ? b.cpu.gpr(GPR.RAX) : 0n;
  const zf = query && (b.flags & EFLAGS.ZF) !== 0 ? 1 : 0;
  const error = (fault?.errorCode ?? 0).toString(16);
  return `${name} ${selector.toString(16)} ${fault?.vector ?? -1} ${error} ${value.toString(16)} ${zf}`;
}

const FLAG_LOADS: Readonly<Record<string, readonly number[]>> = {
  popf: [0x9d],
  popfw: [0x66, 0x9d],
  iretf: INSN.IRETQ,
};

function emulateFlags(vendor: Vendor, name: string, image: number): string {
  const b = bench(vendor);
  b.setFlags(EFLAGS.IF);
  b.pushAll(8, name === "iretf" ? [OFFSET, 0x33, image, AT.STACK3, 0x2b] : [image], 0x5000);
  const fault = b.exec(...FLAG_LOADS[name]!);
  b.exec(0x9c);
  const shown = b.read(b.rsp, 8).toString(16);
  return `${name} ${image.toString(16)} ${fault?.vector ?? -1} ${(fault?.errorCode ?? 0).toString(16)} ${shown} 0`;
}

function emulateIretSp(vendor: Vendor, cs: number, ss: number): string {
  const b = bench(vendor);
  // The native stack is at 0x5a5b12348000: the same bits above a page that exists here.
  b.write(AT.TABLES + ((0x5a5b12348000 / 2 ** 39) & 511) * 8, 8, AT.TABLES + 0x1000 + 7);
  const tables = [
    AT.TABLES + 0x1000 + (Math.floor(0x5a5b12348000 / 2 ** 30) & 511) * 8,
    AT.TABLES + 0x2000 + (Math.floor(0x5a5b12348000 / 2 ** 21) & 511) * 8,
  ];
  b.write(tables[0]!, 8, AT.TABLES + 0x2000 + 7);
  b.write(tables[1]!, 8, AT.TABLES + 0x3000 + 7);
  b.pushAll(8, [OFFSET, cs, EFLAGS.IF, 0x778899aabbcc, ss], 0x12348000 & 0x1fffff);
  b.cpu.setGpr(GPR.RSP, 0x5a5b12348000n);
  expect(b.exec(...INSN.IRETQ)).toBeUndefined();
  return `iret-sp ${cs.toString(16)} ${ss.toString(16)} 0 0 ${b.cpu.gpr(GPR.RSP).toString(16)} 0`;
}

/** Exit status of the native program when the kernel has no modify_ldt or no 16-bit segments. */
const NO_LDT = 3;

function native(): string[] | undefined {
  const folder = mkdtempSync(join(tmpdir(), "ringside-"));
  try {
    const program = join(folder, "selectors");
    const source = join(import.meta.dirname, "native/selectors.c");
    execFileSync("gcc", ["-O1", "-static", "-no-pie", "-fcf-protection=none", "-w", "-o", program, source]);
    const args = LDT.map(({ limit, flags }) => `${limit.toString(16)}:${flags.toString(16)}`);
    return execFileSync(program, args, { encoding: "utf8" }).trim().split("\n");
  } catch (failed) {
    if (process.env.CI || (failed as { status?: number }).status !== NO_LDT) throw failed;
    return undefined;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const hostVendor = (): Vendor => (readFileSync("/proc/cpuinfo", "latin1").includes("AuthenticAMD") ? "amd" : "intel");

describe.runIf(process.arch === "x64" && process.platform === "linux" && requireTool("gcc"))(
  "against this processor",
  () => {
    it("selectors at CPL 3", (context) => {
      const vendor = hostVendor();
      const lines = native();
      if (lines === undefined)
        return context.skip("skipped: this kernel's modify_ldt does not allow the test's segments");
      expect(lines.length).toBeGreaterThan(700);
      const ours = lines.map((line) => {
        const [name, first, second] = line.split(" ");
        const selector = Number.parseInt(first!, 16);
        if (FLAG_LOADS[name!] !== undefined) return emulateFlags(vendor, name!, selector);
        return name === "iret-sp"
          ? emulateIretSp(vendor, selector, Number.parseInt(second!, 16))
          : emulate(vendor, name!, selector);
      });
      expect(ours).toEqual(lines);
    });
  },
);
