/**
 * Hot code as WebAssembly regions: all blocks reachable by direct branches from a hot one, in one function; a `br_table` finds the
 * block to start with, and everything in between stays inside.
 */
import type { Block } from "../blocks.ts";
import type { Cpu } from "../cpu.ts";
import { Fault } from "../fault.ts";
import { conditionHolds, settleSome } from "../flags.ts";
import type { IrInsn } from "../ir/types.ts";
import { OFF, type SegIndex } from "../layout.ts";
import { deadFlags } from "../lower.ts";
import { MODE } from "../mode.ts";
import type { Helper } from "../operation.ts";
import type { AccessSize } from "../phys.ts";
import { Emitter, type Targets } from "./emit.ts";
import { EXCHANGE, EXIT, Frame, IMPORTS } from "./frame.ts";
import { FunctionBody, type Label, moduleBytes } from "./wasm.ts";

const MAX_BLOCKS = 48;
/** Times a block runs before it is compiled. */
export const HOT = 2000;

/** Finds blocks for the region's shape; undefined where there is none to be had without a fault. */
export type BlockSource = (ipLow: number, ipHigh: number) => Block | undefined;

export class Region {
  readonly blocks: readonly Block[];
  readonly run: (index: number) => number;
  epoch = -1;

  constructor(blocks: readonly Block[], run: (index: number) => number) {
    this.blocks = blocks;
    this.run = run;
  }

  /** Do all blocks still live? Their translations are the caller's to check. */
  get alive(): boolean {
    return this.blocks.every((block) => block.mode >= 0);
  }
}

/** Constant addresses that a block may go to; the return site of a call is an entry too. */
function successors(block: Block): [number, number][] {
  const last = block.ir[block.ir.length - 1]!;
  const end: [number, number] = [block.endLow, block.endHigh];
  const jump = last.statements[last.statements.length - 1];
  if (jump?.op !== "jump") return block.system ? [] : [end];
  const out: [number, number][] = [];
  if (jump.target.op === "const") out.push([jump.target.low, jump.target.high]);
  const calls = last.statements.some((s) => s.op === "store");
  if (jump.test || calls) out.push(end);
  return out;
}

export class Tier1 {
  private readonly cpu: Cpu;
  private readonly helpers: { readonly helper: Helper; readonly ir: IrInsn }[] = [];
  private readonly env: WebAssembly.ModuleImports;
  private readonly pages: number;
  /** The fault that a region left with EXIT.FAULT. */
  fault: Fault | undefined;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.pages = cpu.core.wasm.buffer.byteLength / 0x10000;
    this.env = { memory: cpu.core.wasm, ...this.imports() };
  }

  private imports(): Record<string, (...args: number[]) => number> {
    const { cpu } = this;
    const exchange = (cpu.base + EXCHANGE) >> 2;
    return {
      load: (info, low, high) =>
        this.guarded(() => {
          const seg = (info! & 0xf) as SegIndex;
          const size = ((info! >> 4) & 0xf) as AccessSize;
          const forWrite = (info! & 0x200) !== 0;
          let value: number;
          if (info! & 0x100) value = cpu.slowLoad(seg, low!, high!, size, forWrite);
          else value = forWrite ? cpu.loadSegForWrite(seg, low!, 0, size) : cpu.loadSeg(seg, low!, 0, size);
          cpu.i32[exchange] = value;
          if (size === 8) cpu.i32[exchange + 1] = cpu.high;
        }),
      store: (info, low, high) =>
        this.guarded(() => {
          const seg = (info! & 0xf) as SegIndex;
          const size = ((info! >> 4) & 0xf) as AccessSize;
          const [valueLow, valueHigh] = [cpu.i32[exchange]!, cpu.i32[exchange + 1]!];
          if (info! & 0x100) cpu.slowStore(seg, low!, high!, size, valueLow, valueHigh);
          else cpu.storeSeg(seg, low!, 0, size, valueLow, valueHigh);
        }),
      helper: (index) =>
        this.guarded(() => {
          const { helper, ir } = this.helpers[index!]!;
          cpu.syncCount();
          helper(cpu, ir.insn);
        }),
      condition: (cc) => (conditionHolds(cc!, cpu.getFlags()) ? 1 : 0),
      flags: (mask) => cpu.getFlags() & mask!,
      settle: (which) => {
        settleSome(cpu, which!);
        return cpu.get32(OFF.EFLAGS);
      },
      checkTarget: (low, high) => this.guarded(() => cpu.checkNearTarget(low!, high!)),
    };
  }

  /** 0 = done, 1 = a fault is kept in `fault`, 2 = done, and the region must be left. */
  private guarded(access: () => void): number {
    const { cpu } = this;
    cpu.leaveRegion = false;
    try {
      access();
    } catch (thrown) {
      if (!(thrown instanceof Fault)) throw thrown;
      this.fault = thrown;
      return 1;
    }
    return cpu.leaveRegion ? 2 : 0;
  }

  /** Compiles the region around a hot block; undefined if it is not of a kind that is compiled. */
  compile(hot: Block, source: BlockSource): Region | undefined {
    if (hot.mode & (MODE.ALIGN | MODE.STEP)) return undefined;
    const blocks = this.collect(hot, source);
    const f = new FunctionBody();
    this.emit(f, blocks);
    const module = new WebAssembly.Module(moduleBytes(f, IMPORTS, this.pages));
    const { run } = new WebAssembly.Instance(module, { env: this.env }).exports;
    return new Region(blocks, run as (index: number) => number);
  }

  private collect(hot: Block, source: BlockSource): Block[] {
    const found = new Map<string, Block>();
    const queue: Block[] = [hot];
    while (queue.length > 0 && found.size < MAX_BLOCKS) {
      const block = queue.shift()!;
      const key = `${block.ipHigh}:${block.ipLow}`;
      if (found.has(key)) continue;
      found.set(key, block);
      for (const [low, high] of successors(block)) {
        const next = source(low, high);
        if (next && next.special === 0 && next.frame >= 0 && next.mode === hot.mode) queue.push(next);
      }
    }
    const order = (b: Block): number => b.ipHigh * 0x1_0000_0000 + (b.ipLow >>> 0);
    return [...found.values()].sort((x, y) => order(x) - order(y));
  }

  private emit(f: FunctionBody, blocks: readonly Block[]): void {
    const frame = new Frame(f, this.cpu.base);
    const at = new Map(blocks.map((b, i) => [`${b.ipHigh}:${b.ipLow}`, i]));
    frame.enter();
    const loop = f.loop();
    const labels: Label[] = [];
    for (let i = blocks.length - 1; i >= 0; i--) labels[i] = f.block();
    f.get(frame.next).brTable(labels);
    let current = 0;
    let selfLoop: Label = 0;
    const jumpTo = (index: number): void => {
      if (index === current && selfLoop) f.br(selfLoop);
      else f.i32(index).set(frame.next).br(loop);
    };
    const targets: Targets = {
      goTo: (low, high) => {
        const index = at.get(`${high}:${low}`);
        if (index === undefined) frame.exitTo(low, high, EXIT.NEXT);
        else jumpTo(index);
      },
      goToComputed: () => {
        for (const index of this.returnSites(blocks, at)) {
          const site = blocks[index]!;
          f.get(frame.rip).i64(site.ipLow, site.ipHigh).op("i64.eq").if();
          jumpTo(index);
          f.end();
        }
        frame.exitWith(EXIT.NEXT);
      },
    };
    const emitter = new Emitter(f, frame, targets, (ir) => this.helperIndex(ir));
    blocks.forEach((block, i) => {
      f.end();
      current = i;
      selfLoop = f.loop();
      this.emitBlock(f, frame, emitter, block, targets);
      f.end();
    });
    f.end();
    // Nothing falls out of the loop.
    frame.exitWith(EXIT.NEXT);
    frame.leave();
  }

  private emitBlock(f: FunctionBody, frame: Frame, emitter: Emitter, block: Block, targets: Targets): void {
    const { total } = block;
    f.get(frame.budget).i32(total).op("i32.sub").tee(frame.budget).i32(0).op("i32.lt_s").if();
    f.get(frame.budget).i32(total).op("i32.add").set(frame.budget);
    frame.exitTo(block.ipLow, block.ipHigh, EXIT.NEXT);
    f.end();
    const dead = deadFlags(block.ir);
    emitter.startBlock();
    block.ir.forEach((ir, k) => void emitter.instruction(ir, total - k, dead[k]!));
    if (!block.jumps && !block.system) targets.goTo(block.endLow, block.endHigh);
  }

  /** Where the region's calls return to: the likely targets of its returns. */
  private returnSites(blocks: readonly Block[], at: ReadonlyMap<string, number>): number[] {
    const sites = new Set<number>();
    for (const block of blocks) {
      const last = block.ir[block.ir.length - 1]!;
      const calls = block.jumps && last.statements.some((s) => s.op === "store");
      const index = at.get(`${block.endHigh}:${block.endLow}`);
      if (calls && index !== undefined) sites.add(index);
    }
    return [...sites].slice(0, 8);
  }

  private helperIndex(ir: IrInsn): number {
    const last = ir.statements[ir.statements.length - 1];
    if (last?.op !== "helper") throw new Error("not a helper");
    this.helpers.push({ helper: last.helper, ir });
    return this.helpers.length - 1;
  }
}
