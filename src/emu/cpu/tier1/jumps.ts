/**
 * How compiled code finds compiled code. Regions sit in a WebAssembly table; a driver, itself WebAssembly, calls the one it is told
 * and goes on to the next as long as a table in memory, hashed by RIP, knows an entry there. An entry is good only in the code
 * context that it was made in, and while the TLB maps its page for fetches to the frame that holds the code.
 */
import type { Block } from "../blocks.ts";
import type { Cpu } from "../cpu.ts";
import { CONTEXT, JUMP_ENTRIES, JUMP_STRIDE, JUMPS, OFF, TLB_FRAME_MASK, TLBF } from "../layout.ts";
import { EXIT, type Frame } from "./frame.ts";
import { FunctionBody, I32, I64 } from "./wasm.ts";

/** An entry of a region: its place in the table of regions and the block's number in it, as one word. */
const BLOCK_BITS = 6;
export const MAX_BLOCKS = 1 << BLOCK_BITS;
export const entryOf = (region: number, block: number): number => (region << BLOCK_BITS) | block;

/** Fields of a table entry. */
const RIP = 0;
const TAG = 8;
const SLOT_CONTEXT = 16;
const ENTRY = 20;
const TLB = 24;
const FRAME = 28;
/** Entries are found by `low ^ low >>> HASH_SHIFT` of RIP's low half. */
const HASH_SHIFT = 9;

export class JumpTable {
  private readonly cpu: Cpu;
  private readonly words: number;

  constructor(cpu: Cpu) {
    this.cpu = cpu;
    this.words = (cpu.base + JUMPS) >> 2;
    this.clear();
  }

  clear(): void {
    this.cpu.i32.fill(-1, this.words, this.words + (JUMP_ENTRIES * JUMP_STRIDE) / 4);
  }

  /** The block is at RIP, was found through the TLB and has an entry. */
  remember(block: Block): void {
    const { cpu } = this;
    const { i32 } = cpu;
    const { ipLow, linearLow } = block;
    const at = this.words + (((ipLow ^ (ipLow >>> HASH_SHIFT)) & (JUMP_ENTRIES - 1)) * JUMP_STRIDE) / 4;
    i32[at + RIP / 4] = ipLow;
    i32[at + RIP / 4 + 1] = block.ipHigh;
    i32[at + TAG / 4] = linearLow & ~0xfff;
    i32[at + TAG / 4 + 1] = block.linearHigh;
    i32[at + SLOT_CONTEXT / 4] = cpu.get32(CONTEXT);
    i32[at + ENTRY / 4] = block.entry;
    i32[at + TLB / 4] = cpu.fetchEntry(linearLow) * 4;
    i32[at + FRAME / 4] = block.frame;
  }

  /** The driver's code: parameter an entry, result how the last region ended. */
  driver(): FunctionBody {
    const f = new FunctionBody();
    const { base } = this.cpu;
    const rip = f.local(I64);
    const slot = f.local(I32);
    const result = f.local(I32);
    const leave = f.block();
    const loop = f.loop();
    f.get(0)
      .i32(MAX_BLOCKS - 1)
      .op("i32.and");
    f.get(0).i32(BLOCK_BITS).op("i32.shr_u").callIndirect().tee(result).brIf(leave);
    f.i32(0)
      .mem("i64.load", base + OFF.RIP)
      .tee(rip)
      .op("i32.wrap")
      .tee(slot);
    f.get(slot).i32(HASH_SHIFT).op("i32.shr_u").op("i32.xor");
    f.i32(JUMP_ENTRIES - 1)
      .op("i32.and")
      .i32(JUMP_STRIDE)
      .op("i32.mul")
      .i32(base + JUMPS)
      .op("i32.add")
      .set(slot);
    f.get(slot).mem("i64.load", RIP).get(rip).op("i64.ne").brIf(leave);
    f.get(slot).mem("i32.load", SLOT_CONTEXT);
    f.i32(0)
      .mem("i32.load", base + CONTEXT)
      .op("i32.ne")
      .brIf(leave);
    f.get(slot).mem("i32.load", TLB).mem("i64.load", TLBF.EXEC_TAG);
    f.get(slot).mem("i64.load", TAG).op("i64.ne").brIf(leave);
    f.get(slot).mem("i32.load", TLB).mem("i32.load", TLBF.FRAME).i32(TLB_FRAME_MASK).op("i32.and");
    f.get(slot).mem("i32.load", FRAME).op("i32.ne").brIf(leave);
    f.get(slot).mem("i32.load", ENTRY).set(0).br(loop);
    f.end().end();
    f.get(result);
    return f;
  }
}

/** In a region, before going to a block in another page: leaves the region unless the TLB still maps that page for fetches. */
export function guardPage(f: FunctionBody, frame: Frame, cpu: Cpu, target: Block): void {
  const entry = cpu.fetchEntry(target.linearLow) * 4;
  f.i32(0).mem("i64.load", entry + TLBF.EXEC_TAG);
  f.i64(target.linearLow & ~0xfff, target.linearHigh).op("i64.ne");
  f.i32(0)
    .mem("i32.load", entry + TLBF.FRAME)
    .i32(TLB_FRAME_MASK)
    .op("i32.and");
  f.i32(target.frame).op("i32.ne").op("i32.or").if();
  frame.exitTo(target.ipLow, target.ipHigh, EXIT.NEXT);
  f.end();
}
