/**
 * Hot code as WebAssembly regions: all blocks that direct branches reach from a hot one, in one function. A region is entered at
 * any of its blocks, by number; everything in between stays inside.
 */
import type { Block } from "../blocks.ts";
import { ARMED } from "../contract.ts";
import type { Cpu } from "../cpu.ts";
import { ARMING } from "../layout.ts";
import { deadFlags } from "../lower.ts";
import { SPECIAL } from "../marks.ts";
import { modeBits } from "../mode.ts";
import { addrOf } from "../state.ts";
import { Emitter, type Links, type Targets } from "./emit.ts";
import { EXIT, Frame, importIndex } from "./frame.ts";
import { guardPage, MAX_BLOCKS } from "./jumps.ts";
import { type Item, shapeOf } from "./shape.ts";
import { FunctionBody, type Label } from "./wasm.ts";

/** Finds blocks for the region's shape; undefined where there is none to be had without a fault. */
export type BlockSource = (ipLow: number, ipHigh: number) => Block | undefined;

const keyOf = (low: number, high: number): string => `${high}:${low}`;

/** Does the block end by a call? */
function calls(block: Block): boolean {
  const last = block.ir[block.ir.length - 1]!;
  return block.jumps && last.statements.some((s) => s.op === "store");
}

/** Constant addresses that a block may go to. */
function targetsOf(block: Block): [number, number][] {
  const last = block.ir[block.ir.length - 1]!;
  const end: [number, number] = [block.endLow, block.endHigh];
  const jump = last.statements[last.statements.length - 1];
  if (jump?.op !== "jump") return block.system ? [] : [end];
  const out: [number, number][] = [];
  if (jump.target.op === "const") out.push([jump.target.low, jump.target.high]);
  if (jump.test) out.push(end);
  return out;
}

/** May the block be part of a region? */
export const compilable = (block: Block): boolean =>
  block.frame >= 0 &&
  block.frame2 < 0 &&
  block.mode >= 0 &&
  (block.special & ~(SPECIAL.PROBE | SPECIAL.BREAKPOINT)) === 0;

/** The blocks of the region around a hot block, in address order. The return site of a call belongs to it too. */
export function collectRegion(hot: Block, source: BlockSource): Block[] {
  const found = new Map<string, Block>();
  const queue: Block[] = [hot];
  while (queue.length > 0 && found.size < MAX_BLOCKS) {
    const block = queue.shift()!;
    const key = keyOf(block.ipLow, block.ipHigh);
    if (found.has(key)) continue;
    found.set(key, block);
    const next = targetsOf(block);
    if (calls(block)) next.push([block.endLow, block.endHigh]);
    for (const [low, high] of next) {
      const successor = source(low, high);
      if (successor && compilable(successor)) queue.push(successor);
    }
  }
  const order = (b: Block): number => b.ipHigh * 0x1_0000_0000 + (b.ipLow >>> 0);
  return [...found.values()].sort((x, y) => order(x) - order(y));
}

export class RegionEmitter {
  readonly f = new FunctionBody();
  private readonly cpu: Cpu;
  private readonly blocks: readonly Block[];
  private readonly frame: Frame;
  private readonly index: ReadonlyMap<string, number>;
  private readonly returnSites: readonly number[];
  private readonly emitter: Emitter;
  /** The block whose code is being emitted. */
  private current = 0;
  /** Where each block that can be branched to now is: the item that holds it, and what to branch to. */
  private readonly scopes: { readonly items: readonly Item[]; readonly labels: readonly Label[]; at: number }[] = [];
  private readonly loops: { readonly item: Item; readonly label: Label }[] = [];

  constructor(cpu: Cpu, blocks: readonly Block[], links: Links) {
    this.cpu = cpu;
    this.blocks = blocks;
    this.frame = new Frame(this.f, cpu.base);
    this.index = new Map(blocks.map((b, i) => [keyOf(b.ipLow, b.ipHigh), i]));
    this.returnSites = this.findReturnSites();
    const targets: Targets = {
      goTo: (low, high) => this.goTo(low, high),
      goToComputed: () => this.goToComputed(),
    };
    this.emitter = new Emitter(this.f, this.frame, targets, links);
  }

  emit(): FunctionBody {
    const { f, frame } = this;
    frame.enter();
    this.sequence(
      shapeOf(
        this.blocks.length,
        this.blocks.map((b) => this.successors(b)),
      ),
    );
    f.unreachable();
    frame.leave();
    return f;
  }

  private successors(block: Block): number[] {
    const inside = targetsOf(block).flatMap(([low, high]) => this.index.get(keyOf(low, high)) ?? []);
    const last = block.ir[block.ir.length - 1]!.statements.at(-1);
    return last?.op === "jump" && last.target.op !== "const" ? [...inside, ...this.returnSites] : inside;
  }

  /** Where the region's calls return to: the likely targets of its returns. */
  private findReturnSites(): number[] {
    const sites = new Set<number>();
    for (const block of this.blocks) {
      const index = this.index.get(keyOf(block.endLow, block.endHigh));
      if (calls(block) && index !== undefined) sites.add(index);
    }
    return [...sites].slice(0, 8);
  }

  // --- control flow

  /** Emits an item's parts one after the other, behind a dispatch on `next` that reaches each. */
  private sequence({ first, loop, items }: Item): void {
    const { f, frame } = this;
    const labels: Label[] = [];
    for (let i = items.length - 1; i >= 0; i--) labels[i] = f.block();
    if (items.length > 1) {
      const table = items.flatMap((item, i) => new Array<Label>(item.last - item.first + 1).fill(labels[i]!));
      if (!loop) f.get(frame.next).brTable(table);
      else {
        // Coming round a loop is the rule, entering it in its middle the exception.
        f.get(frame.next).i32(first).op("i32.eq").brIf(labels[0]!);
        f.get(frame.next).i32(first).op("i32.sub").brTable(table);
      }
    }
    const scope = { items, labels, at: 0 };
    this.scopes.push(scope);
    items.forEach((item, i) => {
      f.end();
      scope.at = i;
      this.item(item);
    });
    this.scopes.pop();
  }

  private item(item: Item): void {
    const { f } = this;
    if (item.loop) this.loops.push({ item, label: f.loop() });
    if (item.items.length > 0) this.sequence(item);
    else this.block(item.first);
    if (!item.loop) return;
    this.loops.pop();
    // Every path in it branches; the validator must know that nothing falls out.
    f.unreachable().end();
  }

  private branch(to: number): void {
    const { f, frame } = this;
    for (let s = this.scopes.length - 1; s >= 0; s--) {
      const { items, labels, at } = this.scopes[s]!;
      const i = items.findIndex((item) => to >= item.first && to <= item.last);
      if (i < 0 || i <= at) continue;
      if (items[i]!.items.length > 0) f.i32(to).set(frame.next);
      f.br(labels[i]!);
      return;
    }
    const loop = this.loops.findLast(({ item }) => item.first === to);
    if (!loop) throw new Error("a branch back has no loop");
    if (loop.item.items.length > 0) f.i32(to).set(frame.next);
    f.br(loop.label);
  }

  private goTo(low: number, high: number): void {
    const index = this.index.get(keyOf(low, high));
    if (index === undefined) {
      this.frame.exitTo(low, high, EXIT.NEXT);
      return;
    }
    const [from, to] = [this.blocks[this.current]!, this.blocks[index]!];
    if (from.frame !== to.frame || (from.linearLow ^ to.linearLow) & ~0xfff)
      guardPage(this.f, this.frame, this.cpu, to);
    this.branch(index);
  }

  private goToComputed(): void {
    const { f, frame } = this;
    for (const index of this.returnSites) {
      const site = this.blocks[index]!;
      f.get(frame.rip).i64(site.ipLow, site.ipHigh).op("i64.eq").if();
      this.goTo(site.ipLow, site.ipHigh);
      f.end();
    }
    frame.exitWith(EXIT.NEXT);
  }

  // --- blocks

  private block(index: number): void {
    const { f, frame, emitter } = this;
    const block = this.blocks[index]!;
    this.current = index;
    const { total } = block;
    f.get(frame.budget).i32(total).op("i32.sub").tee(frame.budget).i32(0).op("i32.lt_s").if();
    frame.addToBudget(total);
    frame.exitTo(block.ipLow, block.ipHigh, EXIT.SHORT);
    f.end();
    emitter.startBlock();
    if (block.special & SPECIAL.BREAKPOINT) this.breakpoint(block);
    if (block.special & SPECIAL.PROBE) this.consult(block, "probe");
    const dead = deadFlags(block.ir);
    block.ir.forEach((ir, k) => void emitter.instruction(ir, total - k, dead[k]!));
    if (!block.jumps && !block.system) this.goTo(block.endLow, block.endHigh);
  }

  /** Asks about an armed breakpoint, unless its own test says no. */
  private breakpoint(block: Block): void {
    const { f, frame, cpu } = this;
    const test = cpu.hooks.breakpointTest?.(addrOf(block.linearLow, block.linearHigh), modeBits(block.mode));
    const out = f.block();
    const ask = f.block();
    f.i32(0)
      .mem("i32.load", cpu.base + ARMING)
      .tee(frame.stop)
      .op("i32.eqz")
      .brIf(out);
    if (test !== undefined) {
      f.get(frame.stop).i32(ARMED.ALL).op("i32.eq").brIf(ask);
      this.emitter.test(test, ask);
      f.op("i32.eqz").brIf(out);
    }
    f.end();
    this.consult(block, "breakpoint");
    f.end();
    f.i32(0).set(frame.stop);
  }

  /** Who is asked may look at and change anything; if the block is not to be run after it, the region is left. */
  private consult({ total, ipLow, ipHigh }: Block, whom: "probe" | "breakpoint"): void {
    const { f, frame } = this;
    frame.addToBudget(total);
    f.i64(ipLow, ipHigh).set(frame.rip);
    frame.store();
    f.call(importIndex(whom)).set(frame.stop);
    frame.loadRegisters();
    frame.loadFlags();
    f.get(frame.stop).if();
    f.i32(0).set(frame.stop);
    frame.loadRip();
    frame.exitWith(EXIT.STOP);
    f.end();
    frame.addToBudget(-total);
  }
}
