/**
 * Our processor for cases: what a user program under a 64-bit kernel finds, at the addresses that the native runner has, or one of the
 * kernel's own modes. Runs one instruction in tier 0 or compiled, and says in what the outcome differs from a case's `after`.
 */
import { CR0, CR4, EFLAGS, GPR, OFF, SEG, STATE_BYTES } from "../../../../src/emu/cpu/layout.ts";
import { ATTR } from "../../../../src/emu/cpu/system/descriptor.ts";
import { EXIT, EXIT_BITS } from "../../../../src/emu/cpu/tier1/frame.ts";
import { CODE_PAGE, DATA_PAGE, PAGE_BYTES, type UserState } from "../host/native.ts";
import { AT, Bench, type Mode as BenchMode } from "../system/kit.ts";
import { type Group, type Item, itemText, type Mode, type Run, type Trap } from "./format.ts";
import { CODE_OFFSET, codeBase, initialState, is16, setBefore, setItem, settled, stateItems } from "./state.ts";
import { expectedPorts, fieldAt, portsOf, setSystemItem } from "./system-state.ts";
import { enterLinux } from "./tables.ts";

const BENCH_MODES: Readonly<Record<Mode, BenchMode>> = {
  "64": "long",
  "32": "compat",
  "16": "compat",
  protected: "protected",
  real: "real",
  v86: "v86",
};
const INT3 = 0xcc;
/** Page-table entries: present, user, and writable or not. */
const READ_ONLY = 5;
/** RAM that is looked at after every instruction: tables and kernel stacks, the code, the data and what a 16-bit segment adds. */
const LOOKED_AT = [
  [0, AT.TABLES],
  [CODE_PAGE, CODE_PAGE + PAGE_BYTES],
  [DATA_PAGE - PAGE_BYTES, DATA_PAGE + 0x10000],
] as const;

/** Fields that are the user program's, derived, or the clock; x87 pointers are kept differently by each model. */
const NOT_COMPARED: readonly (readonly [number, number])[] = [
  [OFF.GPR, OFF.EFLAGS + 4],
  [OFF.LF_OP, OFF.SHADOW + 4],
  [OFF.X87, OFF.MXCSR + 4],
  [OFF.YMM, OFF.YMM + 512],
];

interface Outcome {
  readonly state: UserState;
  readonly rest: Uint8Array;
  readonly ram: readonly Uint8Array[];
  readonly trap: Trap | undefined;
  readonly why: string;
  readonly ports: string;
}

export class CaseMachine {
  private readonly bench: Bench;
  private readonly mode: Mode;
  private readonly registers: Uint8Array;
  private readonly ram: Uint8Array;
  private code: Uint8Array = new Uint8Array();
  /** Compiled code was entered and did the instruction. */
  private compiled = false;

  constructor({ mode, cpl0, vendor }: Pick<Group, "mode" | "cpl0" | "vendor">, tier: 0 | 1) {
    this.mode = mode;
    this.bench = new Bench(BENCH_MODES[mode], vendor, tier === 1 ? { tier1: true, hotAfter: 1 } : {});
    this.setUp(cpl0);
    this.markAccessed();
    const { cpu, core } = this.bench;
    for (let at = CODE_PAGE; at < CODE_PAGE + PAGE_BYTES; at++) cpu.physWrite(at, 1, INT3);
    this.loadUser(initialState(mode));
    cpu.stateReplaced();
    this.registers = core.u8.slice(cpu.base, cpu.base + STATE_BYTES);
    this.ram = core.u8.slice(core.ramBase, core.ramBase + core.ramSize);
    if (tier === 1) this.watchCompiled();
  }

  private setUp(cpl0: boolean): void {
    const { bench, mode } = this;
    const { cpu } = bench;
    if (bench.long) enterLinux(bench, mode, cpl0);
    else if (mode !== "real" && !cpl0) bench.atCpl(3, BENCH_MODES[mode]);
    cpu.set32(OFF.CR0, cpu.get32(OFF.CR0) | CR0.MP | CR0.NE | CR0.AM);
    cpu.set32(OFF.CR4, cpu.get32(OFF.CR4) | CR4.OSFXSR | CR4.OSXMMEXCPT | CR4.OSXSAVE | CR4.FSGSBASE);
    cpu.set64(OFF.XCR0, 7n);
    if (is16(mode) && mode !== "16") {
      const attr = mode === "real" ? 0x93 : 0xf3;
      bench.paragraph(SEG.CS, CODE_PAGE >> 4, attr);
      for (const seg of [SEG.SS, SEG.DS, SEG.ES] as const) bench.paragraph(seg, DATA_PAGE >> 4, attr);
    }
    if (!bench.long) return;
    bench.mapPage(CODE_PAGE, READ_ONLY);
    for (const page of [CODE_PAGE, DATA_PAGE])
      for (const near of [page - PAGE_BYTES, page + PAGE_BYTES]) bench.mapPage(near, 0);
  }

  /** Code and data descriptors of the GDT have been used before, so that the delivery of an exception does not mark them. */
  private markAccessed(): void {
    const { core } = this.bench;
    for (let at = AT.GDT; at < AT.IDT; at += 8) {
      const rights = core.ramBase + at + 5;
      if ((core.u8[rights]! & ATTR.S) !== 0) core.u8[rights]! |= ATTR.ACCESSED;
    }
  }

  /** Notes when the instruction was done by compiled code, and not handed back to tier 0. */
  private watchCompiled(): void {
    const tier1 = this.bench.cpu["tier1"];
    if (!tier1) return;
    const run = tier1.run.bind(tier1);
    tier1.run = (block) => {
      this.compiled = true;
      const exit = run(block);
      if ((exit & ((1 << EXIT_BITS) - 1)) === EXIT.MISS) {
        this.compiled = false;
        // An access that faults would be left to tier 0 every time: next time it is to be a call.
        tier1.missed();
      }
      return exit;
    };
  }

  // --- state in and out

  private loadUser(state: UserState): void {
    const { cpu, core } = this.bench;
    state.gprs.forEach((value, i) => {
      cpu.setGpr(i, value);
    });
    cpu.set64(OFF.RIP, state.rip);
    cpu.setFlagsRaw(state.flags);
    const { fx } = state;
    cpu.set32(OFF.FCW, fx.readUInt16LE(0));
    cpu.set32(OFF.FSW, fx.readUInt16LE(2));
    let tags = 0;
    for (let i = 0; i < 8; i++) if (!((fx[4]! >> i) & 1)) tags |= 3 << (i * 2);
    cpu.set32(OFF.FTW, tags);
    cpu.set32(OFF.MXCSR, fx.readUInt32LE(24));
    const top = (fx.readUInt16LE(2) >> 11) & 7;
    const u8 = core.u8.subarray(cpu.base, cpu.base + STATE_BYTES);
    for (let i = 0; i < 8; i++) u8.set(fx.subarray(32 + i * 16, 42 + i * 16), OFF.X87 + ((i + top) & 7) * 16);
    for (let i = 0; i < 16; i++) {
      u8.set(fx.subarray(160 + i * 16, 176 + i * 16), OFF.YMM + i * 32);
      u8.set(state.upper.subarray(i * 16, i * 16 + 16), OFF.YMM + i * 32 + 16);
    }
    core.u8.set(state.data, core.ramBase + DATA_PAGE);
  }

  private readUser(): UserState {
    const { cpu, core } = this.bench;
    const state = initialState(this.mode);
    state.gprs.forEach((_, i) => {
      state.gprs[i] = cpu.gpr(i);
    });
    state.rip = cpu.rip;
    state.flags = cpu.getFlags();
    const { fx } = state;
    fx.writeUInt16LE(cpu.get32(OFF.FCW), 0);
    fx.writeUInt16LE(cpu.get32(OFF.FSW), 2);
    const tags = cpu.get32(OFF.FTW);
    fx[4] = 0;
    for (let i = 0; i < 8; i++) if (((tags >> (i * 2)) & 3) !== 3) fx[4]! |= 1 << i;
    fx.writeUInt32LE(cpu.get32(OFF.MXCSR) >>> 0, 24);
    const top = (cpu.get32(OFF.FSW) >> 11) & 7;
    const u8 = core.u8.subarray(cpu.base, cpu.base + STATE_BYTES);
    for (let i = 0; i < 8; i++) {
      const at = OFF.X87 + ((i + top) & 7) * 16;
      fx.set(u8.subarray(at, at + 10), 32 + i * 16);
    }
    for (let i = 0; i < 16; i++) {
      fx.set(u8.subarray(OFF.YMM + i * 32, OFF.YMM + i * 32 + 16), 160 + i * 16);
      state.upper.set(u8.subarray(OFF.YMM + i * 32 + 16, OFF.YMM + i * 32 + 32), i * 16);
    }
    state.data.set(core.u8.subarray(core.ramBase + DATA_PAGE, core.ramBase + DATA_PAGE + PAGE_BYTES));
    return state;
  }

  private setCode(code: Uint8Array): void {
    const { cpu } = this.bench;
    if (Buffer.compare(code, this.code) === 0) return;
    const at = CODE_PAGE + CODE_OFFSET;
    for (let i = 0; i < Math.max(code.length, this.code.length); i++) cpu.physWrite(at + i, 1, code[i] ?? INT3);
    this.code = code;
    // A mark ends the block: it consists of this instruction alone.
    cpu.setBreakpoints([at + code.length]);
  }

  /** The state of a run, changed by `items` if they are given. False items are a mistake in the file. */
  private load(run: Run, user: UserState, after: readonly Item[], flush: boolean): void {
    const { bench } = this;
    const { cpu, core } = bench;
    core.u8.set(this.registers, cpu.base);
    core.u8.set(this.ram.subarray(0, AT.TABLES), core.ramBase);
    this.loadUser(user);
    const scratch = initialState(this.mode);
    for (const item of run.before) if (!setBefore(scratch, item)) setSystemItem(bench, this.mode, item);
    for (const item of after)
      if (item.name !== "undefined" && !setItem(scratch, item)) setSystemItem(bench, this.mode, item);
    if (flush) cpu.stateReplaced();
    else cpu.updateMode();
  }

  private rest(): Uint8Array {
    const { cpu, core } = this.bench;
    const bytes = core.u8.slice(cpu.base, cpu.base + STATE_BYTES);
    for (const [from, to] of NOT_COMPARED) bytes.fill(0, from, to);
    return bytes;
  }
  private lookedAt(): Uint8Array[] {
    const { core } = this.bench;
    return LOOKED_AT.map(([from, to]) => core.u8.slice(core.ramBase + from, core.ramBase + to));
  }

  // --- running

  private execute(): Outcome {
    const { bench } = this;
    const { cpu } = bench;
    bench.events.length = 0;
    bench.ports.length = 0;
    this.compiled = false;
    const before = this.rest();
    const ramBefore = this.lookedAt();
    const rspBefore = cpu.gpr(GPR.RSP);
    const flagsBefore = cpu.getFlags();
    const stop = cpu.run(1);
    const delivered = bench.events.find(({ kind }) => kind === "exception" || kind === "software-int");
    const errorCode = this.mode === "real" ? undefined : delivered?.errorCode;
    if (delivered) this.takeBack(before, ramBefore, rspBefore, flagsBefore, errorCode !== undefined);
    const trap = delivered && { vector: delivered.vector!, errorCode };
    const why = delivered?.why ?? (stop.kind === "shutdown" ? stop.why : "");
    return { state: this.readUser(), rest: this.rest(), ram: this.lookedAt(), trap, why, ports: portsOf(bench) };
  }

  /** Undoes the delivery of an event: the registers of its frame, everything else that it loads as it was. */
  private takeBack(
    before: Uint8Array,
    ramBefore: readonly Uint8Array[],
    rsp: bigint,
    flags: number,
    hasError: boolean,
  ): void {
    const { cpu, core } = this.bench;
    const size = this.bench.long ? 8 : this.mode === "real" ? 2 : 4;
    const stackMask = this.bench.long ? (1n << 64n) - 1n : size === 2 ? 0xffffn : 0xffff_ffffn;
    const pointer = Number(cpu.gpr(GPR.RSP) & stackMask);
    const at = (this.bench.long ? 0 : cpu.segBase(SEG.SS)) + pointer;
    const word = (i: number): bigint => {
      const value = core.view.getBigUint64(core.ramBase + at + (i + (hasError ? 1 : 0)) * size, true);
      return BigInt.asUintN(size * 8, value);
    };
    const cplBefore = before[OFF.CPL]!;
    const switched = this.bench.long || cplBefore !== cpu.cpl;
    const words = (hasError ? 1 : 0) + (switched ? 5 : 3);
    const newRsp = switched ? word(3) : BigInt(pointer + words * size);
    cpu.set64(OFF.RIP, word(0));
    const image = Number(word(2)) & ~EFLAGS.RF;
    cpu.setFlagsRaw(size === 2 ? (flags & ~0xffff) | image : image);
    cpu.setGpr(GPR.RSP, (rsp & ~stackMask) | newRsp);
    core.u8.set(before.subarray(OFF.SEG, OFF.GDTR_BASE), cpu.base + OFF.SEG);
    cpu.set32(OFF.CPL, cplBefore);
    const frame = this.mode === "v86" ? (words + 4) * size : words * size;
    this.putBack(ramBefore, at, frame);
    cpu.updateMode();
  }

  private putBack(ramBefore: readonly Uint8Array[], at: number, size: number): void {
    const { core } = this.bench;
    LOOKED_AT.forEach(([from, to], i) => {
      if (at >= from && at < to) core.u8.set(ramBefore[i]!.subarray(at - from, at - from + size), core.ramBase + at);
    });
  }

  /** What differs between our outcome and what `run` says; none if all is as it says. */
  differences(group: Group, run: Run, expectCompiled: boolean): string[] {
    const user = beforeState(this.mode, run);
    this.setCode(group.bytes);
    this.load(run, user, [], true);
    let ours = this.execute();
    if (expectCompiled) {
      // The first time has filled the TLB; now the compiled code can go through.
      this.load(run, user, [], false);
      ours = this.execute();
    }
    const { compiled } = this;
    const want = expectedState(this.mode, group, run);
    this.load(run, want, run.after, false);
    const found = this.compare(ours, want, run, this.rest(), this.lookedAt());
    if (expectCompiled && !compiled && found.length === 0) found.push("the instruction was not done by compiled code");
    return found;
  }

  private compare(ours: Outcome, want: UserState, run: Run, rest: Uint8Array, ram: readonly Uint8Array[]): string[] {
    const found = stateItems(want, settled(ours.state, want, run.after), this.mode).map(
      (item) => `ours ${itemText(item)}`,
    );
    const ports = expectedPorts(run.after);
    if (ours.ports !== ports) found.push(`ours ${ours.ports || "no port"}, not ${ports || "none"}`);
    const [mine, theirs] = [ours.trap, run.trap].map((trap) => (trap ? `${trap.vector}(${trap.errorCode ?? ""})` : ""));
    if (mine !== theirs) found.push(`exception ${mine || "none"} ${ours.why}, not ${theirs || "none"}`);
    ours.rest.forEach((byte, at) => {
      if (byte !== rest[at]) found.push(`${fieldAt(at)} byte is ${byte.toString(16)}, not ${rest[at]!.toString(16)}`);
    });
    LOOKED_AT.forEach(([from], i) => {
      if (Buffer.compare(ours.ram[i]!, ram[i]!) === 0) return;
      ours.ram[i]!.forEach((byte, at) => {
        const address = from + at;
        if (byte === ram[i]![at] || (address >= DATA_PAGE && address < DATA_PAGE + PAGE_BYTES)) return;
        found.push(`[${address.toString(16)}] is ${byte.toString(16)}, not ${ram[i]![at]!.toString(16)}`);
      });
    });
    return found;
  }

  /** Addresses of RAM outside what is looked at every time that are not as they were in the beginning. */
  strayWrites(): number[] {
    const { core } = this.bench;
    const stray: number[] = [];
    const accessedBits = (at: number) => at >= AT.TABLES && at < AT.TABLES + 0x4000;
    const lookedAt = (at: number) => LOOKED_AT.some(([from, to]) => at >= from && at < to);
    const now = core.u8.subarray(core.ramBase, core.ramBase + core.ramSize);
    if (Buffer.compare(now, this.ram) === 0) return stray;
    for (let at = 0; at < now.length; at++)
      if (now[at] !== this.ram[at] && !accessedBits(at) && !lookedAt(at)) stray.push(at);
    return stray;
  }
}

export function beforeState(mode: Mode, run: Run): UserState {
  const state = initialState(mode);
  for (const item of run.before) setBefore(state, item);
  return state;
}

/** The user's state as `after` says: named changes, and the next instruction if it names none. */
export function expectedState(mode: Mode, group: Group, run: Run): UserState {
  const state = beforeState(mode, run);
  if (run.trap === undefined) state.rip = nextRip(mode, state.rip, group.bytes.length);
  for (const item of run.after) if (item.name !== "undefined") setItem(state, item);
  return state;
}

export function nextRip(mode: Mode, rip: bigint, length: number): bigint {
  return BigInt.asUintN(codeBase(mode) === 0 ? (mode === "64" ? 64 : 32) : 16, rip + BigInt(length));
}
