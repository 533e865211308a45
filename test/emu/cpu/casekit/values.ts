/** Proposes states for a line: values for what the instruction reads, addresses that point into the page of data. */
import {
  Decoder,
  DecoderOptions,
  type Instruction,
  type InstructionInfo,
  InstructionInfoFactory,
  MemorySizeExt,
  Mnemonic,
  OpAccess,
  OpKind,
  Register,
  RegisterExt,
} from "../../../../src/emu/cpu/iced.ts";
import { CODE_PAGE, DATA_PAGE, PAGE_BYTES } from "../host/native.ts";
import { bitsOf, ipOf } from "./decode.ts";
import type { Item, Mode, Run } from "./format.ts";
import type { Extended, Random } from "./random.ts";
import { codeBase, dataBase, initialState, isWide } from "./state.ts";

const NARROW = ["eax", "ecx", "edx", "ebx", "esp", "ebp", "esi", "edi"];
const WIDE = [
  "rax",
  "rcx",
  "rdx",
  "rbx",
  "rsp",
  "rbp",
  "rsi",
  "rdi",
  ...[8, 9, 10, 11, 12, 13, 14, 15].map((n) => `r${n}`),
];
const FLAG_NAMES = ["cf", "pf", "af", "zf", "sf", "of"];
const STACK = 4;
/** Data go to every 256th byte from here. */
const FIRST_OPERAND = DATA_PAGE + 0x100;
const BRANCH_TARGET = 0xa00;

const reads = (access: number): boolean =>
  access === OpAccess.Read ||
  access === OpAccess.CondRead ||
  access === OpAccess.ReadWrite ||
  access === OpAccess.ReadCondWrite;

type Element = "single" | "double" | "integer";
const elementOf = (name: string): Element =>
  /(ps|ss)$/i.test(name) ? "single" : /(pd|sd)$/i.test(name) ? "double" : "integer";

const mask = (bits: number): bigint => (1n << BigInt(bits)) - 1n;

class Proposer {
  private readonly random: Random;
  private readonly mode: Mode;
  private readonly x: Instruction;
  private readonly name: string;
  private readonly items = new Map<string, string>();
  /** General registers by number. */
  private readonly gprs = new Map<number, bigint>();
  private readonly edge: boolean;

  constructor(random: Random, mode: Mode, x: Instruction, edge: boolean) {
    this.random = random;
    this.mode = mode;
    this.x = x;
    this.name = Mnemonic[x.mnemonic]!;
    this.edge = edge;
  }

  propose(away: boolean): Run {
    const factory = new InstructionInfoFactory();
    const info = factory.info(this.x);
    for (const used of info.usedRegisters()) if (reads(used.access)) this.register(used.register);
    info.usedMemory().forEach((memory, i) => {
      this.memory(memory, away ? DATA_PAGE + PAGE_BYTES : FIRST_OPERAND + i * 0x100, away);
    });
    info.free();
    factory.free();
    this.particulars();
    this.controls();
    const gprs = [...this.gprs].map(
      ([reg, value]): Item => ({ name: (isWide(this.mode) ? WIDE : NARROW)[reg]!, value: value.toString(16) }),
    );
    const rest = [...this.items].map(([name, value]): Item => ({ name, value }));
    return { before: [...gprs, ...rest], after: [], trap: undefined };
  }

  // --- registers

  private register(register: number): void {
    const full = RegisterExt.fullRegister(register);
    const number = RegisterExt.number(register);
    if (RegisterExt.isGPR(register)) {
      const reg = RegisterExt.number(full);
      if (reg !== STACK && !this.gprs.has(reg)) this.setGpr(reg, RegisterExt.size(register) * 8);
    } else if (RegisterExt.isXMM(register)) this.vector(number, 128);
    else if (RegisterExt.isYMM(register)) this.vector(number, 256);
    else if (RegisterExt.isMM(register)) this.items.set(`mm${number}`, this.lanes(64).toString(16));
    else if (RegisterExt.isST(register)) this.items.set(`st${number}`, this.extended());
  }

  private setGpr(reg: number, bits: number): void {
    const filler = initialState(this.mode).gprs[reg]!;
    const value = this.random.integer() & mask(bits);
    const above = bits === 64 ? 0n : (filler >> BigInt(bits)) << BigInt(bits);
    this.gprs.set(reg, above | value);
  }

  private vector(number: number, bits: number): void {
    const name = `${bits === 128 ? "x" : "y"}mm${number}`;
    if (bits === 128 && this.items.has(`ymm${number}`)) return;
    this.items.set(name, this.lanes(bits).toString(16));
  }

  private lanes(bits: number): bigint {
    const element = elementOf(this.name);
    // Lines stay readable: an ordinary run repeats one or two elements.
    const kinds = [this.element(element), this.element(element)];
    const width = element === "single" ? 32 : 64;
    let value = 0n;
    for (let at = 0; at < bits; at += width) {
      const lane = this.edge ? this.element(element) : kinds[(at / width) & 1]!;
      value |= lane << BigInt(at);
    }
    return value;
  }

  private element(element: Element): bigint {
    const { random, edge } = this;
    if (element === "integer") return edge ? random.integer() : random.bits(64);
    if (element === "single") return edge ? random.single() : random.plainSingle();
    return edge ? random.double() : random.plainDouble();
  }

  private extended(): string {
    const text = ({ mant, signExponent }: Extended) => `${signExponent.toString(16)}:${mant.toString(16)}`;
    return text(this.edge ? this.random.extended() : this.random.plainExtended());
  }

  // --- memory

  private memory(memory: UsedMemory, target: number, away: boolean): void {
    const { base, index, scale, displacement, memorySize, access } = memory;
    const size = MemorySizeExt.size(memorySize);
    if (RegisterExt.fullRegister(base) === Register.RSP) {
      if (reads(access)) this.fillMemory(this.stackAt(), size || 8);
      return;
    }
    if (RegisterExt.isVectorRegister(index)) {
      this.setAddress(base, target, 0n, displacement);
      this.indices(RegisterExt.number(index), RegisterExt.isYMM(index) ? 256 : 128);
      return;
    }
    let offset = 0n;
    if (index !== 0) {
      const value = BigInt(this.random.below(12));
      this.gprs.set(RegisterExt.number(RegisterExt.fullRegister(index)), value);
      offset = value * BigInt(scale);
    }
    if (base !== 0) this.setAddress(base, target, offset, displacement);
    if (reads(access) && !away) this.fillMemory(target, size);
  }

  private setAddress(base: number, target: number, index: bigint, displacement: bigint): void {
    const bits = RegisterExt.size(base) * 8;
    const reg = RegisterExt.number(RegisterExt.fullRegister(base));
    const value = BigInt.asUintN(bits, BigInt(target - dataBase(this.mode)) - index - displacement);
    this.gprs.set(reg, value);
  }

  private stackAt(): number {
    return Number(initialState(this.mode).gprs[STACK]!) + dataBase(this.mode);
  }

  private fillMemory(at: number, size: number): void {
    if (size === 0 || size > 64) return;
    const bits = size * 8;
    const ten = size === 10 ? this.extended().split(":") : undefined;
    const element = elementOf(this.name) === "integer" && bits < 128 && !ten;
    const value = ten
      ? (BigInt(`0x${ten[0]}`) << 64n) | BigInt(`0x${ten[1]}`)
      : element
        ? this.floatOrInteger(bits)
        : this.lanes(bits) & mask(bits);
    const bytes = Buffer.from(value.toString(16).padStart(size * 2, "0"), "hex").reverse();
    this.items.set(`[${at.toString(16)}]`, bytes.toString("hex"));
  }

  /** x87 loads read singles and doubles. */
  private floatOrInteger(bits: number): bigint {
    const floating = /^F(?!i|b)/.test(this.name);
    if (floating && bits === 32) return this.element("single");
    if (floating && bits === 64) return this.element("double");
    return this.random.integer() & mask(bits);
  }

  private indices(number: number, bits: number): void {
    const wide = /gatherq/i.test(this.name);
    let value = 0n;
    for (let at = 0; at < bits; at += wide ? 64 : 32)
      value |= BigInt.asUintN(wide ? 64 : 32, BigInt(this.random.below(60) - 20)) << BigInt(at);
    this.items.set(`${bits === 128 ? "x" : "y"}mm${number}`, value.toString(16));
  }

  // --- what some instructions need

  private particulars(): void {
    const { name, x, random } = this;
    const rcx = this.gprs.get(1);
    if (rcx !== undefined && (/^(Loop|J[er]?cxz|Jecxz|Jrcxz)/.test(name) || x.hasRepPrefix || x.hasRepnePrefix))
      this.gprs.set(1, BigInt(random.below(4)));
    else if (rcx !== undefined && /^(S[ah][lr]|Ro[lr]|Rc[lr]|Sh[lr]d)$/.test(name))
      this.gprs.set(1, (rcx & ~0xffn) | BigInt(random.below(this.edge ? 40 : 12)));
    if (/^Bt[crs]?$/.test(name) && x.op0Kind === OpKind.Memory && x.op1Kind === OpKind.Register)
      this.gprs.set(RegisterExt.number(RegisterExt.fullRegister(x.op1Register)), BigInt(random.below(300)));
    if (name === "Leave" || name === "Enter") this.gprs.set(5, BigInt(this.stackAt() - dataBase(this.mode) - 0x80));
    if (name === "Xlatb") this.gprs.set(3, BigInt(FIRST_OPERAND - dataBase(this.mode)));
    if (/^I?div$/i.test(name) && !this.edge) this.division();
    if (/^Popf/.test(name)) this.poppedFlags();
    if (/^(Jmp|Call|Ret)$/.test(name)) this.branch();
    if (/^(Lods|Stos|Movs|Cmps|Scas)[bwdq]$/.test(name) && random.chance(0.3)) this.items.set("flags", "df");
  }

  /** A dividend that the divisor's size can hold the quotient of. */
  private division(): void {
    const value = this.gprs.get(2);
    if (value !== undefined) this.gprs.set(2, value & (isWide(this.mode) ? ~0xffff_ffffn : 0n));
    const ax = this.gprs.get(0);
    if (ax !== undefined && value === undefined) this.gprs.set(0, ax & ~0xff80n);
  }

  /** Any but TF, which would stop the runner, and those that a user program cannot change. */
  private poppedFlags(): void {
    const name = `[${this.stackAt().toString(16)}]`;
    const low = (this.random.below(0x10000) & 0xcd5) | 2;
    const image = Buffer.from([low & 0xff, low >> 8, 0, 0, 0, 0, 0, 0]).toString("hex");
    this.items.set(name, image.slice(0, this.items.get(name)!.length));
  }

  private branch(): void {
    const target = BigInt(CODE_PAGE - codeBase(this.mode) + BRANCH_TARGET);
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(target);
    const size = this.x.codeSize === 3 ? 8 : this.mode === "16" ? 2 : 4;
    if (this.name === "Ret")
      this.items.set(`[${this.stackAt().toString(16)}]`, bytes.subarray(0, size).toString("hex"));
    else if (this.x.op0Kind === OpKind.Register)
      this.gprs.set(RegisterExt.number(RegisterExt.fullRegister(this.x.op0Register)), target);
    else if (this.x.op0Kind === OpKind.Memory)
      this.items.set(`[${FIRST_OPERAND.toString(16)}]`, bytes.subarray(0, size).toString("hex"));
  }

  private controls(): void {
    const { x, random, edge } = this;
    if ((x.rflagsRead || x.rflagsModified) && !this.items.has("flags")) {
      const set = FLAG_NAMES.filter(() => random.chance(0.4));
      if (set.length > 0) this.items.set("flags", set.join());
    }
    const floats = [...this.items.keys()];
    if (edge && random.chance(0.5) && floats.some((name) => /^[xy]mm/.test(name)) && elementOf(this.name) !== "integer")
      this.items.set("mxcsr", random.pick(["3f80", "5f80", "7f80", "9fc0", "1f00"]));
    if (edge && random.chance(0.4) && floats.some((name) => /^st/.test(name)))
      this.items.set("fcw", random.pick(["27f", "77f", "b7f", "f7f", "7f"]));
  }
}

type UsedMemory = ReturnType<InstructionInfo["usedMemory"]>[number];

/** `kind`: ordinary values, edges, or an address where nothing is mapped. */
export function proposeRun(random: Random, mode: Mode, bytes: Uint8Array, kind: "plain" | "edge" | "away"): Run {
  const decoder = new Decoder(bitsOf(mode), bytes, DecoderOptions.None);
  decoder.ip = ipOf(mode);
  const x = decoder.decode();
  const run = new Proposer(random, mode, x, kind === "edge").propose(kind === "away");
  x.free();
  decoder.free();
  return run;
}
