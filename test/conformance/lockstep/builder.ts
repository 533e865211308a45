/** Makes batches: generates sequences instruction by instruction while our processor runs them, since each may depend on the state so far. */
import type { Vendor } from "../../../src/emu/cpu/cpu.ts";
import { EFLAGS, GPR, OFF, SEG, type SegIndex } from "../../../src/emu/cpu/layout.ts";
import type { Operand } from "../../../src/emu/cpu/operation.ts";
import { Aim, target } from "./aim.ts";
import type { Batch } from "./batch.ts";
import { type Entry, Supply } from "./entries.ts";
import type { Form } from "./forms.ts";
import {
  type Bits,
  CODE,
  CODE_SIZE,
  DATA,
  DATA_SIZE,
  IMAGE_SIZE,
  IMAGES,
  INDICES,
  RESULT,
  RESULT_WORDS,
  STATE_WORDS,
  STEP,
  STEP_FLAG,
  STEP_WORDS,
  WORD,
} from "./layout.ts";
import { Machine, SEGMENTS } from "./machine.ts";
import {
  foreignBytes,
  isApproximate,
  undefinedConditions,
  undefinedFlags,
  unmeasured,
  vendorsDiffer,
  withinOneUlp,
} from "./masks.ts";
import { Random } from "./random.ts";
import { signalOf } from "./signals.ts";

export interface Choice {
  readonly bits: Bits;
  readonly seed: number;
  /** Our processor's vendor, and the host's. */
  readonly vendor: Vendor;
  readonly host: Vendor;
  readonly forms: readonly Form[];
}

/** In an FXSAVE image. */
const MXCSR_AT = 24;
/** C0 to C3 of the status word. */
const CONDITIONS = 0x4700;
/** Share of the sequences that are also run at once. */
const RUN_AT_ONCE = 0.06;
const LONGEST_SEQUENCE = 24;
/** Bytes that a sequence's longest instruction with its set-up may take. */
const ROOM = 128;

export class Builder {
  private readonly choice: Choice;
  private readonly machine: Machine;
  private random!: Random;
  private supply!: Supply;
  private aim!: Aim;
  private batch!: Batch;
  /** Next free byte of the code window; also where RIP is while a sequence goes on. */
  private cursor = 0;
  private starting = false;
  /** Counts that the sequence has taken. */
  private counts = 0;
  private readonly again = new Int32Array(STATE_WORDS);
  /** What the next step has to take over before it. */
  private pendingFlags = 0;
  private pendingForeign = -1;

  constructor(choice: Choice) {
    this.choice = choice;
    this.machine = new Machine(choice.bits, choice.vendor);
  }

  /** Fills `batch` with number `number` of the run: about `instructions`, if they fit. */
  build(batch: Batch, number: number, instructions: number): void {
    const { seed, bits, forms, vendor, host } = this.choice;
    this.batch = batch;
    this.cursor = 16;
    this.random = new Random(Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b) ^ bits);
    this.supply = new Supply(this.random, bits, forms, vendor, vendor !== host);
    this.aim = new Aim(this.random, bits, this.machine, (bytes) => this.place(Uint8Array.from(bytes), undefined));
    batch.clear(number);
    this.machine.forgetCode();
    this.makeImages();
    while (batch.instructions < instructions && !batch.full && this.cursor < CODE_SIZE - ROOM * 4) this.sequence();
    batch.code.set(this.machine.code);
  }

  private makeImages(): void {
    const { random, batch } = this;
    for (const [bytes, size] of [
      [batch.image, DATA_SIZE],
      [batch.readOnly, INDICES],
    ] as const) {
      const words = new Int32Array(bytes.buffer, 0, size >> 2);
      for (let i = 0; i < words.length; i += 2) this.operandWords(words, i, random.below(6));
    }
    const images = new Int32Array(batch.readOnly.buffer, 0, (IMAGES * IMAGE_SIZE) >> 2);
    for (let i = 0; i < IMAGES; i++) images[(i * IMAGE_SIZE + MXCSR_AT) >> 2]! &= 0xffff;
    const doublewords = new Int32Array(batch.readOnly.buffer, INDICES, 64);
    for (let i = 0; i < 64; i++) doublewords[i] = random.below(400) - 200;
    const quadwords = new BigInt64Array(batch.readOnly.buffer, INDICES + 0x100, 32);
    for (let i = 0; i < 32; i++) quadwords[i] = BigInt(random.below(400) - 200);
    this.machine.readOnly.set(batch.readOnly);
  }

  private operandWords(words: Int32Array, at: number, kind: number): void {
    const { random } = this;
    if (kind === 0) random.double(words, at);
    else if (kind === 1) random.interesting(words, at);
    else if (kind === 2) {
      words[at] = random.single();
      words[at + 1] = random.single();
    } else if (kind === 3) words[at] = words[at + 1] = 0;
    else {
      words[at] = random.next();
      words[at + 1] = random.next();
    }
  }

  /** Registers at the beginning of a sequence, as a new state of the batch; gives its index. */
  private initialState(): number {
    const { random, batch } = this;
    const { bits } = this.choice;
    const wide = bits === 64;
    const index = batch.loadCount++;
    const at = index * STATE_WORDS;
    const words = batch.loads;
    words.fill(0, at, at + STATE_WORDS);
    for (let i = 0; i < (wide ? 16 : 8); i++) {
      random.interesting(words, at + i * 2);
      if (!wide) words[at + i * 2 + 1] = 0;
    }
    words[at + WORD.RIP] = this.ipOf(this.cursor);
    words[at + WORD.EFLAGS] =
      0x202 | (random.next() & 0x8d5) | (random.chance(0.3) ? EFLAGS.DF : 0) | (random.chance(0.02) ? EFLAGS.AC : 0);
    for (let seg = 0; seg < 6; seg++) words[at + WORD.SELECTORS + seg] = SEGMENTS[bits][seg]!.selector;
    // Outside 64-bit mode ptrace wants to be told the bases that the selectors imply.
    words[at + WORD.FS_BASE] = wide ? DATA + random.below(0x1000) : SEGMENTS[bits][SEG.FS]!.base;
    words[at + WORD.GS_BASE] = wide ? DATA + random.below(0x1000) : SEGMENTS[bits][SEG.GS]!.base;
    this.floatingState(words, at);
    return index;
  }

  private floatingState(words: Int32Array, at: number): void {
    const { random } = this;
    const easy = random.chance(0.7);
    words[at + WORD.FCW] = easy
      ? 0x37f
      : 0x40 | (random.next() & 0xf00) | (random.chance(0.8) ? 0x3f : random.next() & 0x3f);
    words[at + WORD.FSW] = (random.below(8) << 11) | (random.next() & CONDITIONS);
    words[at + WORD.FTW] = random.chance(0.5) ? 0xff : random.next() & 0xff;
    words[at + WORD.MXCSR] = easy
      ? 0x1f80 | (random.next() & 0x20)
      : (random.next() & 0xe07f) | (random.chance(0.8) ? 0x1f80 : random.next() & 0x1f80);
    for (let i = 0; i < 8; i++) {
      random.extended(words, at + WORD.X87 + i * 4);
      if (random.chance(0.1)) words[at + WORD.X87 + i * 4 + 2] = 0xffff;
    }
    const registers = this.choice.bits === 64 ? 16 : 8;
    for (let i = 0; i < registers; i++) {
      const kind = random.below(3);
      for (let w = 0; w < 8; w += 2)
        this.operandWords(words, at + WORD.YMM + i * 8 + w, kind === 1 ? 2 : kind === 2 ? 1 : 0);
    }
  }

  private ipOf(offset: number): number {
    return this.choice.bits === 16 ? offset : CODE + offset;
  }

  private sequence(): void {
    const { batch, machine } = this;
    const state = this.initialState();
    machine.begin(batch.loads, state * STATE_WORDS, batch.image);
    const first = batch.count;
    this.counts = 0;
    this.starting = true;
    this.pendingFlags = STEP_FLAG.LOAD_ALL | STEP_FLAG.RESET_MEMORY;
    this.pendingForeign = -1;
    for (let i = 0; i < LONGEST_SEQUENCE && this.cursor < CODE_SIZE - ROOM * 2; i++) {
      const entry = this.nextEntry();
      if (!this.aim.at(entry) || !this.place(this.patched(entry), entry)) break;
    }
    if (this.random.chance(RUN_AT_ONCE)) this.runAtOnce(state, first);
  }

  /** The same sequence again, in blocks rather than step by step: it must come out the same. */
  private runAtOnce(state: number, first: number): void {
    const { batch, machine, again } = this;
    const last = batch.count - 1;
    machine.begin(batch.loads, state * STATE_WORDS, batch.image);
    machine.run(this.counts);
    machine.save(again, 0);
    const at = last * RESULT_WORDS + RESULT.STATE;
    const different = again.findIndex((word, i) => word !== batch.results[at + i] && i !== WORD.EFLAGS);
    const flags = (again[WORD.EFLAGS]! ^ batch.results[at + WORD.EFLAGS]!) & ~EFLAGS.RF;
    if (different < 0 && flags === 0) return;
    batch.atOnce.push({ first, step: last, word: different < 0 ? WORD.EFLAGS : different });
  }

  private nextEntry(): Entry {
    const { vendor, host } = this.choice;
    for (;;) {
      const entry = this.supply.next();
      if (vendor !== host && vendorsDiffer(entry)) continue;
      if (!this.aim.reaches(entry)) continue;
      if (!unmeasured(entry, host)) return entry;
    }
  }

  /** Displacements become such that the instruction, at the cursor, refers to something. */
  private patched(entry: Entry): Uint8Array {
    const { random } = this;
    const { displacement } = this.aim;
    if (entry.branchAt < 0 && entry.ipRelativeAt < 0 && displacement === undefined) return entry.bytes;
    const bytes = entry.bytes.slice();
    const put = (at: number, size: number, value: number) => {
      for (let i = 0; i < size; i++) bytes[at + i] = value >> (i * 8);
    };
    const next = this.ipOf(this.cursor) + bytes.length;
    if (entry.branchAt >= 0) {
      if (!random.chance(0.1)) put(entry.branchAt, entry.branchSize, random.below(24));
    } else if (displacement !== undefined) put(entry.displacementAt, 4, displacement);
    else put(entry.ipRelativeAt, 4, target(random) - next);
    return bytes;
  }

  /** Puts one instruction at the cursor and runs it. False if the sequence ends with it. */
  private place(bytes: Uint8Array, entry: Entry | undefined): boolean {
    const { batch, machine } = this;
    const { bits } = this.choice;
    machine.code.set(bytes, this.cursor);
    const ip = this.ipOf(this.cursor);
    const i = batch.addStep(this.starting);
    const at = i * STEP_WORDS;
    batch.entries[i] = entry;
    if (entry) batch.instructions++;
    batch.steps[at + STEP.IP] = ip;
    this.prepareStep(at, entry);
    this.starting = false;
    const pushed = this.foreignBase(entry);
    machine.step(entry?.isString ?? false);
    this.counts += machine.counts;
    this.record(i);
    this.cursor += bytes.length;
    if (machine.vector >= 0 || batch.state(i, WORD.EFLAGS) & EFLAGS.TF) return false;
    if (entry) this.afterwards(i, entry, pushed);
    // A null selector other than zero is not there any more when the host's program reads it.
    for (let seg = 0; seg < 6; seg++) {
      const selector = machine.cpu.selector(seg as SegIndex);
      if (selector > 0 && selector < 4) return false;
    }
    return this.follow(i, bits);
  }

  private prepareStep(at: number, entry: Entry | undefined): void {
    const { batch } = this;
    const { steps } = batch;
    steps[at + STEP.FLAGS] = this.pendingFlags | (entry && (entry.isString || entry.gathers) ? STEP_FLAG.REPEATS : 0);
    if (this.pendingFlags !== 0) {
      if (!this.starting) {
        this.machine.save(batch.loads, batch.loadCount * STATE_WORDS);
        batch.loadCount++;
      }
      steps[at + STEP.LOAD] = batch.loadCount - 1;
    }
    if (this.pendingForeign >= 0) {
      steps[at + STEP.ADOPT_AT] = batch.foreignAt[this.pendingForeign]!;
      steps[at + STEP.ADOPT_COUNT] = batch.foreignCount[this.pendingForeign]!;
    }
    this.pendingFlags = 0;
    this.pendingForeign = -1;
  }

  private record(i: number): void {
    const { batch, machine } = this;
    const { results } = batch;
    const at = i * RESULT_WORDS;
    machine.save(results, at + RESULT.STATE);
    results.fill(0, at, at + RESULT.STATE);
    results[at + RESULT.CHANGES_AT] = batch.changeCount;
    batch.changeCount = machine.changes(batch.changes, batch.changeCount);
    results[at + RESULT.CHANGES_COUNT] = batch.changeCount - results[at + RESULT.CHANGES_AT]!;
    results[at + RESULT.VECTOR] = machine.vector;
    if (machine.vector < 0) return;
    batch.why[i] = machine.why;
    const { signal, code, address } = signalOf({
      vector: machine.vector,
      errorCode: machine.errorCode,
      cr2: machine.faultAddress,
      ip: BigInt.asUintN(64, machine.framePointer),
      fcw: batch.state(i, WORD.FCW),
      fsw: batch.state(i, WORD.FSW),
      mxcsr: batch.state(i, WORD.MXCSR),
    });
    results[at + RESULT.SIGNAL] = signal;
    results[at + RESULT.CODE] = code;
    results[at + RESULT.ADDRESS] = Number(BigInt.asIntN(32, address));
    results[at + RESULT.ADDRESS + 1] = Number(BigInt.asIntN(32, address >> 32n));
  }

  /** What of this step may differ, the next takes over from ours. */
  private afterwards(i: number, entry: Entry, operand: number): void {
    const { batch } = this;
    if (undefinedFlags(entry) !== 0) this.pendingFlags = STEP_FLAG.LOAD_GENERAL;
    if (undefinedConditions(entry) !== 0 || withinOneUlp(entry) || isApproximate(entry))
      this.pendingFlags = STEP_FLAG.LOAD_ALL;
    const rows = foreignBytes(entry);
    if (rows.length === 0) return;
    batch.foreignAt[i] = batch.adoptedCount;
    for (const { where, from, to } of rows) {
      const base = where === "operand" ? operand : this.stackTop();
      for (let offset = base + from; offset < base + to; offset++) {
        if (offset < 0 || offset >= DATA_SIZE) continue;
        batch.adopted[batch.adoptedCount++] = (offset << 8) | this.machine.data[offset]!;
      }
    }
    batch.foreignCount[i] = batch.adoptedCount - batch.foreignAt[i]!;
    this.pendingForeign = i;
  }

  private stackTop(): number {
    const rsp = Number(this.machine.cpu.gpr(GPR.RSP));
    return this.choice.bits === 16 ? rsp & 0xffff : rsp - DATA;
  }

  /** Offset in the data window of the memory operand of an instruction with bytes of its processor's own. */
  private foreignBase(entry: Entry | undefined): number {
    if (!entry) return 0;
    const rows = foreignBytes(entry);
    const op = rows.some((row) => row.where === "operand")
      ? entry.insn.ops.find((one) => one.kind === "mem")
      : undefined;
    return op ? Number(BigInt.asIntN(53, this.linear(op, entry) - BigInt(DATA))) : 0;
  }

  private linear(op: Extract<Operand, { kind: "mem" }>, { insn, ipRelativeAt, displacementAt }: Entry): bigint {
    const { machine, cursor } = this;
    const { bits } = this.choice;
    const register = (reg: number) => (reg < 0 ? 0n : machine.cpu.gpr(reg));
    let displacement = (BigInt(op.dispHigh) << 32n) + BigInt(op.dispLow >>> 0);
    const view = new DataView(machine.code.buffer, machine.code.byteOffset + cursor, 16);
    if (ipRelativeAt >= 0) displacement = BigInt(this.ipOf(cursor) + insn.length + view.getInt32(ipRelativeAt, true));
    if (displacementAt >= 0) displacement = BigInt(view.getInt32(displacementAt, true));
    const offset = BigInt.asUintN(
      insn.addrSize,
      register(op.base) + register(op.index) * BigInt(op.scale) + displacement,
    );
    return offset + (bits === 64 && op.seg < SEG.FS ? 0n : BigInt(machine.cpu.segBase(op.seg)));
  }

  /** After a jump a little further on, the sequence goes on there. */
  private follow(i: number, bits: Bits): boolean {
    const offset = (batchRip(this.batch, i) - (bits === 16 ? 0 : CODE)) | 0;
    const near =
      offset >= this.cursor &&
      offset < this.cursor + ROOM &&
      (bits !== 64 || this.machine.cpu.get32(OFF.RIP + 4) === 0);
    if (near) this.cursor = offset;
    return near;
  }
}

const batchRip = (batch: Batch, i: number): number => batch.state(i, WORD.RIP) >>> 0;
