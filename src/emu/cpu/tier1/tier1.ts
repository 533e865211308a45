/**
 * Tier 1: keeps count of what is hot, has regions compiled, runs them, and throws them away when their code dies. What compiled
 * code asks of TypeScript (slow accesses, helpers, flags that it does not know) is here too.
 */
import type { Block } from "../blocks.ts";
import type { Cpu } from "../cpu.ts";
import { Fault } from "../fault.ts";
import { conditionHolds, settleSome } from "../flags.ts";
import type { IrInsn } from "../ir/types.ts";
import { OFF, type SegIndex } from "../layout.ts";
import { MODE } from "../mode.ts";
import type { AccessSize } from "../phys.ts";
import type { Missing } from "./access.ts";
import type { Links } from "./emit.ts";
import { EXCHANGE, EXIT, EXIT_BITS, IMPORTS, type ImportName } from "./frame.ts";
import { entryOf, JumpTable } from "./jumps.ts";
import { type BlockSource, collectRegion, compilable, RegionEmitter } from "./region.ts";
import { moduleBytes } from "./wasm.ts";

/** Times a block runs before it is compiled; with it go others that have run a good part of that. */
const HOT = 2000;
const MOST_REGIONS_A_MODULE = 16;

/** An access misses as a rule when so many misses came at intervals of less than so many instructions. */
const MISSES = 256;
const MISS_INTERVAL = 1000;

export class Region {
  readonly blocks: readonly Block[];
  readonly slot: number;
  /** Numbers that its code uses. */
  readonly helpers: number[] = [];
  readonly sites: number[] = [];
  alive = true;

  constructor(blocks: readonly Block[], slot: number) {
    this.blocks = blocks;
    this.slot = slot;
  }
}

/** An instruction whose accesses leave its region when they miss. */
interface Site {
  readonly ir: IrInsn;
  readonly region: Region;
  /** What its code was compiled for. */
  readonly missing: Missing;
  misses: number;
  /** Instruction count when they began to be counted. */
  since: number;
}

/** Does the host permit the compilation of WebAssembly? A content security policy may forbid it. */
function permitted(): boolean {
  try {
    new WebAssembly.Module(Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0));
    return true;
  } catch {
    return false;
  }
}

export class Tier1 {
  /** The fault that a region left with EXIT.FAULT. */
  private fault: Fault | undefined;
  /** The site that a region left with EXIT.MISS. */
  private left: Site | undefined;
  private readonly cpu: Cpu;
  private readonly hotAfter: number;
  private readonly jumps: JumpTable;
  private readonly table = new WebAssembly.Table({ element: "anyfunc", initial: 16 });
  private readonly env: WebAssembly.ModuleImports;
  private readonly pages: number;
  private readonly drive: (entry: number) => number;
  private readonly helpers: (IrInsn | undefined)[] = [];
  private readonly freeHelpers: number[] = [];
  private readonly sites: (Site | undefined)[] = [];
  private readonly freeSites: number[] = [];
  private readonly missing = new WeakMap<IrInsn, Missing>();
  private readonly freeSlots: number[] = [];
  private slots = 0;
  /** Blocks on their way to being hot. */
  private warm: Block[] = [];

  /** undefined where the host forbids it. */
  static create(cpu: Cpu, hotAfter = HOT): Tier1 | undefined {
    return permitted() ? new Tier1(cpu, hotAfter) : undefined;
  }

  private constructor(cpu: Cpu, hotAfter: number) {
    this.cpu = cpu;
    this.hotAfter = hotAfter;
    this.jumps = new JumpTable(cpu);
    this.pages = cpu.core.wasm.buffer.byteLength / 0x10000;
    this.env = { memory: cpu.core.wasm, table: this.table, ...this.imports() };
    this.drive = this.instantiate([this.jumps.driver()])[0]!;
  }

  private instantiate(bodies: Parameters<typeof moduleBytes>[0]): ((parameter: number) => number)[] {
    const module = new WebAssembly.Module(moduleBytes(bodies, IMPORTS, this.pages));
    const { exports } = new WebAssembly.Instance(module, { env: this.env });
    return bodies.map((_, i) => exports[`${i}`] as (parameter: number) => number);
  }

  // --- what compiled code calls

  private imports(): Record<ImportName, (...args: number[]) => number> {
    const { cpu } = this;
    const exchange = (cpu.base + EXCHANGE) >> 2;
    return {
      load: (info, low, high) => {
        cpu.leaveRegion = false;
        try {
          const seg = (info! & 0xf) as SegIndex;
          const size = ((info! >> 4) & 0xf) as AccessSize;
          const forWrite = (info! & 0x200) !== 0;
          let value: number;
          if (info! & 0x100) value = cpu.slowLoad(seg, low!, high!, size, forWrite);
          else value = forWrite ? cpu.loadSegForWrite(seg, low!, 0, size) : cpu.loadSeg(seg, low!, 0, size);
          cpu.i32[exchange] = value;
          if (size === 8) cpu.i32[exchange + 1] = cpu.high;
        } catch (thrown) {
          return this.caught(thrown);
        }
        return cpu.leaveRegion ? 2 : 0;
      },
      store: (info, low, high) => {
        cpu.leaveRegion = false;
        try {
          const seg = (info! & 0xf) as SegIndex;
          const size = ((info! >> 4) & 0xf) as AccessSize;
          const [valueLow, valueHigh] = [cpu.i32[exchange]!, cpu.i32[exchange + 1]!];
          if (info! & 0x100) cpu.slowStore(seg, low!, high!, size, valueLow, valueHigh);
          else cpu.storeSeg(seg, low!, 0, size, valueLow, valueHigh);
        } catch (thrown) {
          return this.caught(thrown);
        }
        return cpu.leaveRegion ? 2 : 0;
      },
      helper: (index) => {
        cpu.leaveRegion = false;
        try {
          const { insn, statements } = this.helpers[index!]!;
          const last = statements[statements.length - 1];
          if (last?.op !== "helper") throw new Error("not a helper");
          cpu.syncCount();
          last.helper(cpu, insn);
        } catch (thrown) {
          return this.caught(thrown);
        }
        return cpu.leaveRegion ? 2 : 0;
      },
      condition: (cc) => (conditionHolds(cc!, cpu.getFlags()) ? 1 : 0),
      flags: (mask) => cpu.getFlags() & mask!,
      settle: (which) => {
        settleSome(cpu, which!);
        return cpu.get32(OFF.EFLAGS);
      },
      checkTarget: (low, high) => {
        try {
          cpu.checkNearTarget(low!, high!);
        } catch (thrown) {
          return this.caught(thrown);
        }
        return 0;
      },
      probe: () => (cpu.probeHere() ? 1 : 0),
      breakpoint: () => (cpu.breakpointHere() ? 1 : 0),
      peek: (low, high) => (cpu.fillPeek(low!, high!) ? 1 : 0),
    };
  }

  /** The status "a fault is kept". */
  private caught(thrown: unknown): number {
    if (!(thrown instanceof Fault)) throw thrown;
    this.fault = thrown;
    return 1;
  }

  // --- hot code

  /** Runs compiled code from a block that has an entry. Throws the fault that ended it; the instruction's index is the caller's to clear. */
  run(block: Block): number {
    this.jumps.remember(block);
    const result = this.drive(block.entry);
    if (result === EXIT.FAULT) throw this.fault!;
    const exit = result & ((1 << EXIT_BITS) - 1);
    if (exit === EXIT.MISS) this.left = this.sites[result >> EXIT_BITS]!;
    return exit;
  }

  /**
   * The access that the last region was left for will miss again. Where that is the rule, the region is compiled anew: while something
   * is watched, so that accesses near it pass; after that (device memory, pages with code in them, too many pages), with calls.
   */
  missed(): void {
    const site = this.left!;
    if (!site.region.alive) return;
    const now = this.cpu.retired;
    if (site.misses === 0) site.since = now;
    if (++site.misses < Math.min(MISSES, this.hotAfter)) return;
    if (now - site.since < site.misses * MISS_INTERVAL) {
      // Its neighbours will have come near it.
      for (const index of site.region.sites) {
        const other = this.sites[index]!;
        if (other.misses * 4 < site.misses) continue;
        const nearby = other.missing === "never" && this.cpu.watches.active;
        if (this.missingOf(other.ir) !== "often") this.missing.set(other.ir, nearby ? "nearby" : "often");
      }
      this.retire(site.region);
      this.jumps.clear();
    } else site.misses = 0;
  }

  /** Counts a run of a block that has no region; true when it has one now. `source` finds blocks of the same context. */
  heat(block: Block, source: BlockSource): boolean {
    const runs = ++block.runs;
    if (runs === this.hotAfter >> 1) this.warm.push(block);
    if (runs < this.hotAfter) return false;
    if (compilable(block) && !(block.mode & (MODE.ALIGN | MODE.STEP))) this.compile(block, source);
    if (!block.region) block.runs = Number.NEGATIVE_INFINITY;
    return block.region !== undefined;
  }

  /** Compiles the regions of a hot block and of the warm ones like it, as one module. */
  private compile(hot: Block, source: BlockSource): void {
    const regions: Region[] = [];
    const bodies: RegionEmitter["f"][] = [];
    const candidates = [hot, ...this.warm];
    this.warm = [];
    for (const block of candidates) {
      if (block.region || !compilable(block)) continue;
      if (regions.length >= MOST_REGIONS_A_MODULE || source(block.ipLow, block.ipHigh) !== block) {
        if (block.runs < this.hotAfter) this.warm.push(block);
        continue;
      }
      const blocks = collectRegion(block, source);
      const region = new Region(blocks, this.freeSlots.pop() ?? this.slots++);
      bodies.push(new RegionEmitter(this.cpu, blocks, this.linksOf(region)).emit());
      regions.push(region);
      this.adopt(region);
    }
    this.instantiate(bodies).forEach((run, i) => void this.place(regions[i]!.slot, run));
  }

  private linksOf(region: Region): Links {
    return {
      helper: (ir) => {
        const index = this.freeHelpers.pop() ?? this.helpers.length;
        this.helpers[index] = ir;
        region.helpers.push(index);
        return index;
      },
      site: (ir) => {
        const index = this.freeSites.pop() ?? this.sites.length;
        this.sites[index] = { ir, region, missing: this.missingOf(ir), misses: 0, since: 0 };
        region.sites.push(index);
        return index;
      },
      missing: (ir) => this.missingOf(ir),
    };
  }

  private missingOf(ir: IrInsn): Missing {
    return this.missing.get(ir) ?? "never";
  }

  private adopt(region: Region): void {
    region.blocks.forEach((block, i) => {
      block.regions = [...block.regions, region];
      if (block.region) return;
      block.region = region;
      block.entry = entryOf(region.slot, i);
    });
  }

  private place(slot: number, run: (parameter: number) => number): void {
    if (slot >= this.table.length) this.table.grow(this.table.length);
    this.table.set(slot, run as never);
  }

  /** One of the regions' blocks is no more. A region that is running now leaves after its instruction. */
  died(block: Block): void {
    for (const region of block.regions) this.retire(region);
    this.jumps.clear();
  }

  private retire(region: Region): void {
    if (!region.alive) return;
    region.alive = false;
    this.freeSlots.push(region.slot);
    this.freeHelpers.push(...region.helpers);
    this.freeSites.push(...region.sites);
    for (const member of region.blocks) this.leave(member, region);
  }

  /** A block may live on in another region that has it; else it has to become hot again. */
  private leave(block: Block, region: Region): void {
    block.regions = block.regions.filter((r) => r !== region);
    if (block.region !== region) return;
    const [other] = block.regions;
    block.region = other;
    if (other) block.entry = entryOf(other.slot, other.blocks.indexOf(block));
    else block.runs = 0;
  }
}
