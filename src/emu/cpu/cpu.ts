/**
 * The processor: state, memory and decoded code brought together, and the run loop. Counts are exact: ICOUNT moves by one for each
 * retired instruction and for each delivered exception or interrupt, so every count names one state and no guest can stop the clock.
 */
import { SegmentedMemory } from "./access.ts";
import {
  deliverable,
  inShadow,
  takesInstructionBreakpoint,
  takesInterrupt,
  takesStepTrap,
  takeWatchHits,
} from "./between.ts";
import { type Block, Blocks } from "./blocks.ts";
import {
  ACTIVITY,
  ARMED,
  type Arming,
  type Asked,
  type CpuHooks,
  type CpuModel,
  type CpuOptions,
  type CpuStop,
  nothingAsked,
  PENDING,
  SHADOW,
} from "./contract.ts";
import { Fault, gp } from "./fault.ts";
import { ARMING, CONTEXT, EFLAGS, OFF, SEG } from "./layout.ts";
import { SPECIAL } from "./marks.ts";
import type { CoreMemory } from "./memory.ts";
import { Contexts, computeMode } from "./mode.ts";
import type { Insn } from "./operation.ts";
import { type Addr, isCanonical } from "./state.ts";
import { debugAddresses, debugBitsOfPort, debugRanges } from "./system/debug-registers.ts";
import { DR6, deliverException } from "./system/deliver.ts";
import { EXIT } from "./tier1/frame.ts";
import { Tier1 } from "./tier1/tier1.ts";
import type { WatchRange } from "./watch.ts";

export * from "./contract.ts";

const floating = (size: 1 | 2 | 4): number => (size === 4 ? 0xffff_ffff : size === 2 ? 0xffff : 0xff);
const ALONE = {
  portIn: (_port: number, size: 1 | 2 | 4) => floating(size),
  portOut: () => {},
  random: () => 0,
  interruptVector: () => -1,
};

/** Instructions between returns from compiled code: engines replace a running WebAssembly function only when it is called anew. */
const SLICE = 10_000_000;

export class Cpu extends SegmentedMemory {
  readonly model: CpuModel;
  readonly hooks: CpuHooks;
  readonly options: CpuOptions;
  /** Why the processor shut down; set with ACTIVITY = 2. */
  shutdownWhy = "";
  csBaseLow = 0;
  csLimit = 0;
  /** Compiled code must be left after the instruction that is running. */
  leaveRegion = false;
  private readonly blocks: Blocks;
  private readonly tier1: Tier1 | undefined;
  /** Something other than running blocks is to be looked at before the next instruction. */
  private attention = true;
  private stopRequested = false;
  /** Index of the running closure in `block`, -1 between blocks. */
  private at = -1;
  /** The running block ends early, after the running instruction. */
  private cut = false;
  private block: Block | undefined;
  /** ICOUNT when the slice's budget is used up. */
  private sliceEnd = 0;
  private skipMark = false;
  /** What has been asked already; gone with a state that is replaced. */
  asked: Asked = nothingAsked();
  private readonly contexts = new Contexts();

  constructor(
    core: CoreMemory,
    index: number,
    model: CpuModel,
    hooks: Partial<CpuHooks> = {},
    options: CpuOptions = {},
  ) {
    super(core, index);
    this.model = model;
    this.hooks = { ...ALONE, ...hooks };
    this.options = options;
    this.blocks = new Blocks(this);
    this.tier1 = options.tier1 ? Tier1.create(this, options.hotAfter) : undefined;
    core.holders[index] = {
      codeWritten: (page, offset, size) => this.codeWritten(page, offset, size),
      dropWriteTagsOf: (page) => this.dropWriteTagsOf(page),
    };
    this.bus = {
      read: (pa, size) => (this.hooks.bus ? this.hooks.bus.read(pa, size) : floating(size)),
      write: (pa, size, value) => this.hooks.bus?.write(pa, size, value),
    };
    this.updateMode();
  }

  // --- what other parts tell the processor

  /** After changes of CS, SS, CPL, EFLAGS.VM or AC, EFER, CR0 or CR4. The run loop calls it after every system instruction. */
  updateMode(): void {
    this.mode = computeMode(this);
    this.set32(OFF.MODE, this.mode);
    // 64-bit mode has neither base nor limit.
    this.csBaseLow = this.in64 ? 0 : this.segBase(SEG.CS) | 0;
    this.csLimit = this.in64 ? 0xffff_ffff : this.segLimit(SEG.CS);
    this.set32(CONTEXT, this.contexts.numberOf(this.mode, this.csBaseLow, this.csLimit));
    this.selectTlb();
    this.updateAttention();
  }

  /** After a state was written from outside (restore, debugger): nothing derived from the old one is kept but decoded code. */
  stateReplaced(): void {
    this.flushTlb();
    this.watches.forget();
    this.debugRegistersChanged();
    this.updateMode();
    this.endBlock();
    this.asked = nothingAsked();
  }

  /** Forgets all decoded code, after RAM was written behind the processor's back. */
  flushCode(): void {
    this.blocks.flush();
    this.endBlock();
  }

  /**
   * For a helper that `ends` its block and is not done (a long REP): it retires, and runs again from what it has reached. RF keeps
   * instruction breakpoints quiet meanwhile, and is in the image that an interrupt pushes.
   */
  resumeLater(insn: Insn): void {
    this.setRip(insn.ipLow, insn.ipHigh);
    if (this.model.model !== "286") this.set32(OFF.EFLAGS, this.get32(OFF.EFLAGS) | EFLAGS.RF);
  }

  /** Ends the running block after the instruction that is running. */
  endBlock(): void {
    this.leaveRegion = true;
    const { block } = this;
    if (block === undefined || this.at < 0) return;
    let end = this.at + 1;
    while (end < block.ops.length && block.insnOf[end] === block.insnOf[this.at]) end++;
    block.n = end;
    this.cut = true;
  }

  /** A block's bytes have changed. */
  codeDied(block: Block): void {
    this.leaveRegion = true;
    if (block === this.block) this.endBlock();
  }

  /** Stops the run loop before the next instruction, with "request". */
  requestStop(): void {
    this.stopRequested = true;
    this.attention = true;
    this.endBlock();
  }

  /** Raises PENDING bits from any place, a device in the middle of an instruction included. */
  raise(bits: number): void {
    this.set32(OFF.PENDING, this.get32(OFF.PENDING) | bits);
    this.attention = true;
    this.endBlock();
  }
  /** A debug trap after the running instruction, for reasons told by DR6 bits. */
  raiseDebug(dr6: number): void {
    this.set32(OFF.PENDING_DEBUG, this.get32(OFF.PENDING_DEBUG) | dr6);
    this.raise(PENDING.DEBUG);
  }
  mergeDebugTrap(): void {
    this.set32(OFF.DR + 48, this.get32(OFF.DR + 48) | this.get32(OFF.PENDING_DEBUG));
    this.set32(OFF.PENDING_DEBUG, 0);
    this.lower(PENDING.DEBUG);
  }
  lower(bits: number): void {
    this.set32(OFF.PENDING, this.get32(OFF.PENDING) & ~bits);
  }

  /** Places breakpoints and arms them. Code with new ones, or without old ones, is decoded anew; arming alone costs nothing. */
  setBreakpoints(addresses: Iterable<Addr>): void {
    this.blocks.setMarks(SPECIAL.BREAKPOINT, addresses);
    this.armBreakpoints(ARMED.TESTED);
  }
  armBreakpoints(how: Arming): void {
    this.set32(ARMING, how);
  }
  /** Breakpoints by physical address, through whatever alias it is run. */
  setPhysicalBreakpoints(addresses: ReadonlySet<number>): void {
    this.blocks.setPhysicalMarks(addresses);
  }
  setProbes(addresses: Iterable<Addr>): void {
    this.blocks.setMarks(SPECIAL.PROBE, addresses);
  }
  /** Ranges whose accesses end a run with "watchpoint". Accesses to other pages cost nothing more. */
  setWatchpoints(ranges: Iterable<WatchRange>): void {
    if (this.watches.setRanges([...ranges])) this.dropDataTags();
  }
  /** After DR0 to DR3, DR7 or CR4.DE have changed. */
  debugRegistersChanged(): void {
    const ranges = debugRanges(this);
    const had = this.watches.active;
    this.watches.setDebug(ranges);
    if (had || this.watches.active) this.dropDataTags();
    this.blocks.setMarks(SPECIAL.DEBUG, debugAddresses(this));
  }
  protected override afterWatchHit(): void {
    this.attention = true;
    this.endBlock();
  }

  readPort(port: number, size: 1 | 2 | 4): number {
    this.notePort(port, size);
    return this.hooks.portIn(port, size);
  }
  writePort(port: number, size: 1 | 2 | 4, value: number): void {
    this.notePort(port, size);
    this.hooks.portOut(port, size, value);
  }
  private notePort(port: number, size: number): void {
    const bits = debugBitsOfPort(this, port, size);
    if (bits) this.raiseDebug(bits);
  }

  /** The next instruction runs even if a breakpoint is on it. */
  skipBreakpoint(): void {
    this.asked.stoppedAt = Number(this.icount);
  }

  /** Linear address of RIP. */
  get linearIp(): Addr {
    if (this.in64) return this.getAddr(OFF.RIP);
    return (this.get32(OFF.RIP) + this.csBaseLow) >>> 0;
  }

  // --- what compiled code calls

  /** Instructions retired, while the processor runs. */
  get retired(): number {
    return this.sliceEnd - this.get32(OFF.BUDGET);
  }

  /** ICOUNT as of the running instruction (those before it have retired). */
  syncCount(): void {
    this.setCount(this.sliceEnd - this.get32(OFF.BUDGET) + this.running());
  }
  /** Index of the running instruction in its block. */
  private running(): number {
    return this.block !== undefined && this.at >= 0 ? this.block.insnOf[this.at]! : 0;
  }
  private setCount(count: number): void {
    this.set32(OFF.ICOUNT, count | 0);
    this.set32(OFF.ICOUNT + 4, Math.floor(count / 0x1_0000_0000));
  }

  checkNearTarget(low: number, high: number): void {
    if (this.in64) {
      if (!isCanonical(high)) throw gp(0, "the branch target is not canonical");
    } else if (low >>> 0 > this.csLimit) throw gp(0, "the branch target lies outside the code segment's limit");
  }

  protected override afterBusAccess(): void {
    this.endBlock();
    this.attention = true;
  }

  private codeWritten(page: number, offset: number, size: number): void {
    this.blocks.written(page, offset, size);
  }

  // --- the run loop

  /** Runs until exactly `maxInstructions` counts have passed, or something stops it first. */
  run(maxInstructions: number): CpuStop {
    let left = Math.floor(maxInstructions);
    this.updateMode();
    for (;;) {
      const slice = Math.min(left, SLICE);
      const start = Number(this.icount);
      this.sliceEnd = start + slice;
      this.set32(OFF.BUDGET, slice);
      const stop = this.runSlice();
      const used = slice - this.get32(OFF.BUDGET);
      this.setCount(start + used);
      left -= used;
      if (stop.kind !== "budget" || left <= 0) return stop;
    }
  }

  private runSlice(): CpuStop {
    this.skipMark = this.asked.stoppedAt === this.sliceEnd - this.get32(OFF.BUDGET);
    this.asked.stoppedAt = -1;
    for (;;) {
      try {
        return this.loop();
      } catch (thrown) {
        if (!(thrown instanceof Fault)) throw thrown;
        this.fault(thrown);
      } finally {
        this.block = undefined;
        this.at = -1;
      }
    }
  }

  /** Blocks, one after the other. Everything unusual is `careful`'s. */
  private loop(): CpuStop {
    const { i32 } = this;
    const rip = (this.base + OFF.RIP) >> 2;
    const budget = (this.base + OFF.BUDGET) >> 2;
    let block: Block | undefined;
    for (;;) {
      if (this.attention || block === undefined || !this.passes(block) || i32[budget]! < block.total) {
        const stop = this.careful();
        if (stop) return stop;
        if (this.attention || i32[budget]! <= 0) continue;
        block = this.blocks.find(false);
        const passes = this.passes(block);
        if (!passes && !this.skipMark) continue;
        if (!passes || i32[budget]! < block.total) {
          this.stepOne();
          block = undefined;
          continue;
        }
      }
      this.skipMark = false;
      if (this.tier1 !== undefined) {
        if (this.isCompiled(block)) {
          block = this.enter(block);
          continue;
        }
      }
      this.block = block;
      const { ops } = block;
      let i = 0;
      while (i < block.n) {
        this.at = i;
        const op = ops[i]!;
        op();
        i++;
      }
      this.at = -1;
      if (this.cut) {
        i32[budget]! -= block.insnOf[i]!;
        block = this.cutShort(block, i);
        continue;
      }
      i32[budget]! -= block.total;
      if (block.system) {
        this.block = undefined;
        this.updateMode();
        block = this.attention ? undefined : this.findNext();
        continue;
      }
      if (!block.jumps) {
        i32[rip] = block.endLow;
        i32[rip + 1] = block.endHigh;
      }
      // Used up: the next instruction's fetch, which may fault, is not part of this slice.
      if (i32[budget]! <= 0) {
        block = undefined;
        continue;
      }
      const low = i32[rip]!;
      const high = i32[rip + 1]!;
      if (block.linkEpoch === this.epoch) {
        const link0 = block.link0;
        if (link0 !== undefined && link0.ipLow === low && link0.ipHigh === high) {
          block = link0;
          continue;
        }
        const link1 = block.link1;
        if (link1 !== undefined && link1.ipLow === low && link1.ipHigh === high) {
          block = link1;
          continue;
        }
      }
      block = this.link(block);
    }
  }

  /** Is the block compiled (now)? */
  private isCompiled(block: Block): boolean {
    if (block.region !== undefined) return true;
    return block.frame >= 0 && this.tier1!.heat(block, (low, high) => this.blocks.peek(low, high));
  }

  private enter(block: Block): Block | undefined {
    this.block = undefined;
    const result = this.tier1!.run(block);
    // One instruction in tier 0, its faults included; the region goes on after it, or another block does.
    if (result === EXIT.MISS) {
      const { opened } = this;
      this.stepOne();
      if (this.opened === opened) this.tier1!.missed();
    }
    if (result === EXIT.SYSTEM) this.updateMode();
    else if (result === EXIT.STOP) this.updateAttention();
    return this.attention ? undefined : this.findNext();
  }

  /** A block that is part of compiled regions is gone. */
  regionsDied(block: Block): void {
    this.tier1?.died(block);
  }

  /** The block at RIP, if another instruction may run: the faults of fetching it belong to the next slice otherwise. */
  private findNext(): Block | undefined {
    return this.get32(OFF.BUDGET) > 0 ? this.blocks.find(false) : undefined;
  }

  private fallThrough(block: Block): void {
    this.setRip(block.endLow, block.endHigh);
  }

  /** A block that ends after its first `done` closures, because its bytes changed or a device wants attention, is whole again. */
  private cutShort(block: Block, done: number): undefined {
    this.cut = false;
    block.n = block.ops.length;
    const next = block.insns[block.insnOf[done]!];
    if (next) this.setRip(next.ipLow, next.ipHigh);
    else if (!block.jumps && !block.system) this.fallThrough(block);
    else if (block.system) this.updateMode();
    this.block = undefined;
    this.updateAttention();
    return undefined;
  }

  /** Finds the successor and remembers it. */
  private link(from: Block): Block | undefined {
    this.block = undefined;
    const next = this.findNext();
    if (next === undefined) return undefined;
    if (from.linkEpoch !== this.epoch) {
      from.link0 = from.link1 = undefined;
      from.linkEpoch = this.epoch;
    }
    if (next.frame < 0 || from.mode < 0) return next;
    from.link1 = from.link0;
    from.link0 = next;
    return next;
  }

  /** A fault of the running instruction, or of fetching the next one. */
  private fault(fault: Fault): void {
    const { block } = this;
    if (block && this.at >= 0) {
      const at = this.running();
      const insn = block.insns[at]!;
      this.setRip(insn.ipLow, insn.ipHigh);
      this.set32(OFF.BUDGET, this.get32(OFF.BUDGET) - at);
      block.n = block.ops.length;
      this.cut = false;
    }
    this.block = undefined;
    this.at = -1;
    this.watches.forget();
    this.deliver(() => deliverException(this, fault));
  }

  /** A delivery takes one count. */
  deliver(what: () => void): void {
    this.syncCount();
    this.skipMark = false;
    this.set32(OFF.SHADOW_KIND, SHADOW.NONE);
    what();
    this.set32(OFF.BUDGET, this.get32(OFF.BUDGET) - 1);
    this.updateMode();
  }

  /**
   * Everything that is looked at between instructions: stop requests, halts, interrupts, marks, single steps. Gives a reason to
   * stop, or undefined after at most one instruction or delivery.
   */
  private careful(): CpuStop | undefined {
    this.block = undefined;
    // Forgets a shadow that has passed: it would keep everything on the careful path.
    inShadow(this);
    const hit = takeWatchHits(this);
    this.updateAttention();
    if (hit) return { kind: "watchpoint", hit };
    if (this.stopRequested) {
      this.stopRequested = false;
      return { kind: "request" };
    }
    const activity = this.get32(OFF.ACTIVITY);
    if (activity === ACTIVITY.SHUTDOWN) return { kind: "shutdown", why: this.shutdownWhy };
    if (this.get32(OFF.BUDGET) <= 0) return { kind: "budget" };
    if (activity === ACTIVITY.WAIT_SIPI) return { kind: "halt" };
    if (takesInterrupt(this)) return undefined;
    if (activity === ACTIVITY.HALTED) return { kind: "halt" };
    const marked = this.blocks.marksAt(this.linearIp);
    if (marked & SPECIAL.BREAKPOINT && !this.skipMark && this.stopsHere()) {
      this.syncCount();
      this.asked.stoppedAt = Number(this.icount);
      return { kind: "breakpoint", address: this.linearIp };
    }
    if (marked & SPECIAL.DEBUG && takesInstructionBreakpoint(this)) return undefined;
    if (marked & SPECIAL.PROBE && this.probeHere()) return undefined;
    if (marked & ~SPECIAL.BREAKPOINT || (marked && this.skipMark) || this.attention) this.stepOne();
    return undefined;
  }

  /** May the block be run as any other? With nothing but a breakpoint it may, if that does not stop the run. */
  private passes({ special, mode }: Block): boolean {
    if (special === 0) return true;
    return special === SPECIAL.BREAKPOINT && !this.skipMark && !this.breakpointHere() && mode >= 0;
  }

  /** Asks about the breakpoint at RIP, once an instruction. */
  private stopsHere(): boolean {
    if (this.get32(ARMING) === ARMED.OFF) return false;
    if (this.hooks.breakpoint === undefined) return true;
    const now = this.retired;
    if (this.asked.askedAt !== now) {
      this.setCount(now);
      this.asked.askedAt = now;
      const stops = this.hooks.breakpoint(this);
      this.asked.stops = stops;
    }
    return this.asked.stops;
  }

  /** Asks about the breakpoint at RIP. True if the instruction must not simply be run then. */
  breakpointHere(): boolean {
    if (this.get32(ARMING) === ARMED.OFF) return false;
    const [low, high, context] = [this.get32(OFF.RIP), this.get32(OFF.RIP + 4), this.get32(CONTEXT)];
    const { attention } = this;
    this.leaveRegion = false;
    if (this.stopsHere() || this.leaveRegion || (this.attention && !attention)) return true;
    // a condition may assign to registers
    return this.get32(OFF.RIP) !== low || this.get32(OFF.RIP + 4) !== high || this.get32(CONTEXT) !== context;
  }

  /** Calls the probe of the instruction at RIP, once. True if that instruction must not simply be run then. */
  probeHere(): boolean {
    const now = this.retired;
    if (this.asked.probedAt === now) return false;
    this.setCount(now);
    this.asked.probedAt = now;
    const { attention } = this;
    const [low, high, context] = [this.get32(OFF.RIP), this.get32(OFF.RIP + 4), this.get32(CONTEXT)];
    this.hooks.probe?.(this, this.linearIp);
    this.updateMode();
    if (this.get32(OFF.RIP) !== low || this.get32(OFF.RIP + 4) !== high || this.get32(CONTEXT) !== context) return true;
    // What wanted attention before is being looked at.
    return this.stopRequested || this.get32(OFF.ACTIVITY) !== ACTIVITY.RUNNING || (this.attention && !attention);
  }

  /** Executes exactly one instruction, with what must be right about it alone: TF, RF, shadows. */
  private stepOne(): void {
    const { i32 } = this;
    this.skipMark = false;
    const trap = (this.getFlags() & EFLAGS.TF) !== 0;
    const block = this.blocks.find(true);
    // RF holds for one instruction; should that fault, the delivery sets it in the image again.
    this.set32(OFF.EFLAGS, this.get32(OFF.EFLAGS) & ~EFLAGS.RF);
    this.block = block;
    for (this.at = 0; this.at < block.ops.length; this.at++) block.ops[this.at]!();
    this.at = -1;
    this.block = undefined;
    block.n = block.ops.length;
    this.cut = false;
    i32[(this.base + OFF.BUDGET) >> 2]! -= 1;
    if (!block.jumps && !block.system) this.fallThrough(block);
    this.updateMode();
    if (trap && takesStepTrap(this, block)) this.raiseDebug(DR6.BS);
  }

  private updateAttention(): void {
    const flags = this.get32(OFF.EFLAGS);
    this.attention =
      this.stopRequested ||
      this.get32(OFF.ACTIVITY) !== ACTIVITY.RUNNING ||
      (flags & (EFLAGS.TF | EFLAGS.RF)) !== 0 ||
      deliverable(this) ||
      this.watches.pending ||
      this.get32(OFF.SHADOW_KIND) !== SHADOW.NONE;
  }
}
