/**
 * Data watch: programs of random accesses, whose addresses the test works out by itself, run with random ranges watched. What is
 * reported is exactly what touches them, in both tiers, in every mode, through aliases, across pages, while the ranges change.
 */
import { describe, expect, it } from "vitest";
import { assemble, writeFlatBinary } from "../../../src/asmlang/index.ts";
import { OFF, SEG } from "../../../src/emu/cpu/layout.ts";
import { setSegmentRaw } from "../../../src/emu/cpu/system/segment.ts";
import type { WatchHit, WatchRange } from "../../../src/emu/cpu/watch.ts";
import { type Bits, TestMachine } from "./kit.ts";
import { Random } from "./soup.ts";

/** One access of an instruction: by the moving base, or at a fixed place of the area. */
interface Access {
  readonly moving: boolean;
  readonly offset: number;
  readonly size: number;
  readonly write: boolean;
  /** Through the alias of the first GiB. */
  readonly alias?: boolean;
}
interface Line {
  readonly text: string;
  readonly accesses: readonly Access[];
}

interface Setting {
  readonly name: string;
  readonly bits: Bits;
  /** Linear addresses are offsets plus this, for all that goes through DS and ES. */
  readonly base: number;
  readonly area: number;
  readonly code: number;
}
const SETTINGS: readonly Setting[] = [
  { name: "16-bit", bits: 16, base: 0, area: 0x4000, code: 0x1000 },
  { name: "16-bit, segments", bits: 16, base: 0x1230, area: 0x4000, code: 0x1000 },
  { name: "32-bit", bits: 32, base: 0, area: 0x30000, code: 0x10000 },
  { name: "32-bit, segments", bits: 32, base: 0x1230, area: 0x30000, code: 0x10000 },
  { name: "64-bit", bits: 64, base: 0, area: 0x30000, code: 0x10000 },
];
/** Pages that are accessed, and how far the base moves in them. */
const AREA = 0x3000;
const MOVES = 0x1000;
const ALIAS = 0x4000_0000;
const REGISTERS = { 1: ["al", "cl", "dl"], 2: ["ax", "cx", "dx"], 4: ["eax", "ecx", "edx"], 8: ["rax", "rcx", "rdx"] };
const SIZE_NAMES = { 1: "byte", 2: "word", 4: "dword", 8: "qword" };
type Size = keyof typeof REGISTERS;

class Program {
  readonly lines: Line[] = [];
  readonly setting: Setting;
  readonly random: Random;
  readonly stride: number;
  /** Where the stack pointer is between instructions. */
  readonly stack: number;
  private readonly base: string;

  constructor(setting: Setting, random: Random) {
    this.setting = setting;
    this.random = random;
    this.stride = random.pick([1, 3, 8, 24, 61, 1000]);
    this.stack = setting.area + 64 + random.below(AREA - 128);
    this.base = { 16: "bx", 32: "ebx", 64: "rbx" }[setting.bits];
    const count = 3 + random.below(8);
    while (this.lines.length < count) this.add();
  }

  private add(): void {
    const { random } = this;
    const pick = random.below(10);
    if (pick < 5) this.plain();
    else if (pick < 7) this.stackPair();
    else if (pick === 7) this.call();
    else if (pick === 8) this.string();
    else this.float();
  }

  private size(): Size {
    return this.random.pick(this.setting.bits === 64 ? [1, 2, 4, 8] : [1, 2, 4]);
  }
  /** A memory operand, and what of an access is known by it. */
  private place(size: number): { readonly text: string; readonly at: Omit<Access, "write"> } {
    const { random, setting } = this;
    const offset = random.below(AREA - MOVES - 16);
    const alias = setting.bits === 64 && random.below(3) === 0;
    const text = `[${alias ? "r12" : this.base}+${setting.area + offset}]`;
    return { text, at: { moving: true, offset, size, alias } };
  }

  private plain(): void {
    const size = this.size();
    const { text, at } = this.place(size);
    const register = this.random.pick(REGISTERS[size]);
    const [read, write] = [
      { ...at, write: false },
      { ...at, write: true },
    ];
    this.lines.push(
      this.random.pick([
        { text: `mov ${text}, ${register}`, accesses: [write] },
        { text: `mov ${register}, ${text}`, accesses: [read] },
        { text: `add ${text}, ${register}`, accesses: [read, write] },
        { text: `xor ${register}, ${text}`, accesses: [read] },
        { text: `xchg ${text}, ${register}`, accesses: [read, write] },
        { text: `mov ${SIZE_NAMES[size]} ${text}, 7`, accesses: [write] },
      ]),
    );
  }

  /** A fixed place below the stack pointer. */
  private pushed(write: boolean): Access {
    const size = this.setting.bits >> 3;
    return { moving: false, offset: this.stack - this.setting.area - size, size, write };
  }
  private stackPair(): void {
    const register = { 16: "ax", 32: "eax", 64: "rax" }[this.setting.bits];
    this.lines.push({ text: `push ${register}`, accesses: [this.pushed(true)] });
    this.lines.push({ text: `pop ${register}`, accesses: [this.pushed(false)] });
  }
  private call(): void {
    const pointer = { 16: "sp", 32: "esp", 64: "rsp" }[this.setting.bits];
    this.lines.push({ text: "call $+{}", accesses: [this.pushed(true)] });
    this.lines.push({
      text: `lea ${pointer}, [${this.setting.bits === 16 ? "e" : ""}${pointer}+${this.setting.bits >> 3}]`,
      accesses: [],
    });
  }
  private string(): void {
    const size = this.random.pick([1, 2, 4] as const);
    const [from, to] = [this.place(size), this.place(size)];
    const letter = { 1: "b", 2: "w", 4: "d" }[size];
    const [si, di] = { 16: ["si", "di"], 32: ["esi", "edi"], 64: ["rsi", "rdi"] }[this.setting.bits] as [
      string,
      string,
    ];
    this.lines.push({ text: `lea ${si}, ${from.text}`, accesses: [] });
    this.lines.push({ text: `lea ${di}, ${to.text}`, accesses: [] });
    this.lines.push({
      text: `movs${letter}`,
      accesses: [
        { ...from.at, write: false },
        { ...to.at, write: true },
      ],
    });
  }
  private float(): void {
    const [from, to] = [this.place(8), this.place(8)];
    this.lines.push({ text: `fild qword ${from.text}`, accesses: [{ ...from.at, write: false }] });
    this.lines.push({ text: `fistp qword ${to.text}`, accesses: [{ ...to.at, write: true }] });
  }

  /** The loop: the base moves, then the lines. */
  source(): string {
    const { bits, code } = this.setting;
    const counter = bits === 16 ? "bp" : "ebp";
    const narrow = bits === 16 ? "bx" : "ebx";
    const alias = bits === 64 ? ["lea r12, [rbx+r13]"] : ["nop"];
    const head = [`inc ${counter}`, `add ${narrow}, ${this.stride}`, `and ${narrow}, ${MOVES - 1}`, ...alias];
    const near = bits === 16 ? 3 : 5;
    const body = this.lines.map(({ text }) => text.replace("{}", String(near)));
    return [`bits ${bits}`, `org ${code}`, "top:", ...head, ...body, "jmp top", ""].join("\n");
  }
  /** Instructions of a round, and those before the first line. */
  get round(): number {
    return this.lines.length + 5;
  }
  static readonly HEAD = 4;

  /** Linear and physical address of an access. */
  address(access: Access, round: number): readonly [number, number] {
    const { area, base } = this.setting;
    const moved = access.moving ? ((round + 1) * this.stride) % MOVES : 0;
    const physical = (access.moving ? base : 0) + area + access.offset + moved;
    return [physical + (access.alias ? ALIAS : 0), physical];
  }
}

function makeMachine(program: Program, hotAfter: number | undefined): TestMachine {
  const { bits, code, base } = program.setting;
  const m = new TestMachine({ bits, ram: 0x400000, ...(hotAfter ? { hotAfter } : {}) });
  const result = assemble({ uri: "watch.asm", text: program.source() }, { dialect: "nasm", bits });
  expect(result.diagnostics).toEqual([]);
  m.load(writeFlatBinary(result, BigInt(code)).bytes, code);
  for (const seg of bits === 64 ? [] : [SEG.DS, SEG.ES]) {
    const limit = bits === 16 ? 0xffff : base === 0 ? 0xffffffff : 0xffffff;
    const [selector, attr] = bits === 16 ? [base >> 4, 0x93] : [16, 0xc093];
    setSegmentRaw(m.cpu, seg, { selector, attr, base, limit });
  }
  m.cpu.set32(OFF.FCW, 0x37f);
  m.cpu.set32(OFF.FTW, 0xffff);
  m.cpu.updateMode();
  m.set("RSP", program.stack).set("RBX", 0).set("RBP", 0).set("R13", ALIAS);
  if (bits === 64) aliasFirstGib(m);
  return m;
}

/** A second GiB of linear addresses that maps the first. */
function aliasFirstGib(m: TestMachine): void {
  const top = m.core.ramSize - 0x4000;
  m.cpu.physWrite(top + 0x1000 + 8, 8, (top + 0x2000) | 7, 0);
  m.cpu.flushTlb();
}

function randomRange({ setting }: Program, random: Random): WatchRange {
  const physical = random.below(4) === 0;
  const alias = !physical && setting.bits === 64 && random.below(4) === 0 ? ALIAS : 0;
  const length = random.below(12) === 0 ? 4096 : 1 + random.below(random.pick([2, 8, 40]));
  const start = setting.area + setting.base + alias + random.below(AREA + 32 - Math.min(length, AREA));
  const read = random.below(3) > 0;
  return { start, length, read, write: !read || random.below(2) === 0, ...(physical ? { physical } : {}) };
}

/** Ranges close to what the program touches: they are hit, and missed by a byte. */
function rangeNear(program: Program, random: Random): WatchRange {
  const touching = program.lines.flatMap(({ accesses }) => accesses);
  const access = random.pick(touching);
  if (access === undefined) return randomRange(program, random);
  const [linear] = program.address(access, random.below(50));
  const length = 1 + random.below(8);
  return { start: linear - length + random.below(2 * length + 10), length, read: random.below(2) === 0, write: true };
}

const someRanges = (program: Program, random: Random): WatchRange[] =>
  Array.from({ length: 1 + random.below(4) }, () =>
    random.below(2) === 0 ? randomRange(program, random) : rangeNear(program, random),
  );

/** The first of an instruction's accesses that touches a range, in order of access, as `write` or `read` at a place. */
function firstHit(program: Program, line: Line, round: number, ranges: readonly WatchRange[]): string | undefined {
  for (const access of line.accesses) {
    const places = program.address(access, round);
    const touched = ranges.some(({ start, length, read, write, physical }) => {
      const at = places[physical ? 1 : 0];
      return (access.write ? write : read) && at < start + length && at + access.size > start;
    });
    if (touched) return `${access.write ? "write" : "read"} at ${places[0]}`;
  }
  return undefined;
}

/** What is reported is a piece of the access, if it crosses into another page. */
function described(hit: WatchHit, program: Program, line: Line, round: number): string {
  for (const access of line.accesses) {
    const [linear] = program.address(access, round);
    const inside = hit.address >= linear && hit.address + hit.size <= linear + access.size;
    if (access.write === hit.write && inside) return `${hit.write ? "write" : "read"} at ${linear}`;
  }
  return `${hit.write ? "write" : "read"} at ${hit.address}, which it does not touch`;
}

/** Runs to an instruction count, and compares each stop with what the program is known to do. */
function runWatched(m: TestMachine, program: Program, ranges: readonly WatchRange[], until: number): number {
  let hits = 0;
  while (Number(m.cpu.icount) < until) {
    const before = Number(m.cpu.icount);
    const stop = m.run(until - before);
    const after = Number(m.cpu.icount);
    for (let count = before; count < after; count++) {
      const round = Math.floor(count / program.round);
      const line = program.lines[(count % program.round) - Program.HEAD] ?? { text: "", accesses: [] };
      const wanted = firstHit(program, line, round, ranges);
      const hit = count === after - 1 && stop.kind === "watchpoint" ? stop.hit : undefined;
      const found = hit && described(hit, program, line, round);
      if (found !== wanted) expect(`${count}: ${line.text}: ${found}`).toBe(`${count}: ${line.text}: ${wanted}`);
    }
    if (stop.kind === "watchpoint") hits++;
    else expect(stop.kind).toBe("budget");
  }
  return hits;
}

describe.each([undefined, 2, 40])("hot after %s", (hotAfter) => {
  it.each(SETTINGS)("$name: what is reported is what touches the watched bytes", (setting) => {
    let hits = 0;
    for (let seed = 1; seed <= 20; seed++) {
      const random = new Random(seed * 7 + setting.bits + setting.base);
      const program = new Program(setting, random);
      const m = makeMachine(program, hotAfter);
      m.run(random.below(2) * random.below(800));
      for (let change = 1; change <= 3; change++) {
        const ranges = someRanges(program, random);
        m.cpu.setWatchpoints(ranges);
        hits += runWatched(m, program, ranges, Number(m.cpu.icount) + 200 + random.below(800));
      }
    }
    expect(hits).toBeGreaterThan(250);
  });
});
