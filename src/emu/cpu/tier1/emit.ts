/** IR to WebAssembly, one instruction at a time. The same bodies that tier 0 turns into closures. */
import type { IrInsn, SetFlags, Statement, Test, Value } from "../ir/types.ts";
import { ARITH_FLAGS } from "../layout.ts";
import { nextIp } from "../lower.ts";
import { AccessEmitter, type Missing } from "./access.ts";
import { EXIT, EXIT_BITS, type Frame, importIndex } from "./frame.ts";
import { Values } from "./values.ts";
import { type FunctionBody, I32, I64, type Label } from "./wasm.ts";

/** Where branches of a region go: inside it, or out. */
export interface Targets {
  /** Emits a branch to a constant address. */
  goTo(low: number, high: number): void;
  /** Emits the search of a computed target (in `frame.rip`) among the region's entries, and the exit if it is none. */
  goToComputed(): void;
}

/** What compiled code names by number. */
export interface Links {
  helper(ir: IrInsn): number;
  /** The place of an instruction whose accesses leave the region when they miss. */
  site(ir: IrInsn): number;
  /** What is known of the misses of the instruction's accesses. */
  missing(ir: IrInsn): Missing;
}

export class Emitter {
  private readonly f: FunctionBody;
  private readonly frame: Frame;
  private readonly targets: Targets;
  private readonly values: Values;
  private readonly access: AccessEmitter;
  private ir!: IrInsn;
  /** Instructions of the block, the present one included, that have not retired while it runs: what to give back of the budget. */
  private unused = 0;
  private readonly links: Links;
  private readonly target: number;
  private readonly status: number;
  /** Accesses of this instruction may have asked to leave after it. */
  private mayStop = false;

  constructor(f: FunctionBody, frame: Frame, targets: Targets, links: Links) {
    this.f = f;
    this.frame = frame;
    this.targets = targets;
    this.links = links;
    this.values = new Values(f, frame);
    this.access = new AccessEmitter(this.values, {
      missing: () => links.missing(this.ir),
      leave: () => this.exitMiss(),
      checkStatus: () => this.checkStatus(),
    });
    this.target = f.local(I64);
    this.status = f.local(I32);
  }

  startBlock(): void {
    this.values.flags.forget();
  }

  /** Leaves a test's value on the stack, or branches where it gives up. */
  test({ peeks, temps, value }: Test, giveUp: Label): void {
    this.values.startInstruction({ temps });
    for (const peek of peeks) this.access.peek(peek, () => void this.f.br(giveUp));
    this.values.value(value);
  }

  instruction(ir: IrInsn, unused: number, deadFlags: boolean): void {
    this.ir = ir;
    this.unused = unused;
    this.values.startInstruction(ir);
    this.mayStop = false;
    for (const s of ir.statements) {
      if (deadFlags && (s.op === "flags" || s.op === "flagbits")) continue;
      if (s.op === "jump") this.stopIfAsked();
      this.statement(s);
    }
    const last = ir.statements[ir.statements.length - 1];
    if (last?.op !== "jump") this.stopIfAsked();
  }

  // --- leaving

  private exitFault(): void {
    this.frame.addToBudget(this.unused);
    this.frame.exitTo(this.ir.insn.ipLow, this.ir.insn.ipHigh, EXIT.FAULT);
  }
  private exitMiss(): void {
    const { ipLow, ipHigh } = this.ir.insn;
    this.frame.addToBudget(this.unused);
    this.frame.exitTo(ipLow, ipHigh, EXIT.MISS | (this.links.site(this.ir) << EXIT_BITS));
  }
  /** The status of an access is on the stack: 0, 1 = fault, 2 = done, but stop after this instruction. */
  private checkStatus(): void {
    const { f, frame } = this;
    f.tee(this.status).i32(1).op("i32.eq").if();
    this.exitFault();
    f.end();
    f.get(frame.stop).get(this.status).op("i32.or").set(frame.stop);
    this.mayStop = true;
  }
  private stopIfAsked(): void {
    if (!this.mayStop) return;
    const { f, frame, ir } = this;
    f.get(frame.stop).if();
    f.i32(0).set(frame.stop);
    const last = ir.statements[ir.statements.length - 1];
    if (last?.op === "jump") this.ripOf(last.target, last.test);
    else f.i64(...nextIp(ir.insn)).set(frame.rip);
    frame.addToBudget(this.unused - 1);
    frame.exitWith(EXIT.STOP);
    f.end();
    this.mayStop = false;
  }
  /** Sets `rip` as the jump would. */
  private ripOf(target: Value, test: Value | undefined): void {
    const { f, frame } = this;
    this.values.wide(target);
    if (test) {
      f.i64(...nextIp(this.ir.insn));
      this.values.value(test);
      f.op("select");
    }
    f.set(frame.rip);
  }

  // --- statements

  private statement(s: Statement): void {
    const { f, values } = this;
    switch (s.op) {
      case "let":
        values.value(s.value);
        f.set(values.temp(s.temp));
        return;
      case "load":
        this.access.load(s);
        return;
      case "store":
        this.access.store(s);
        return;
      case "flags":
        this.guarded(s.when, () => this.setFlags(s));
        values.flags.noteLazy(s.kind, s.size, s.mask, s.when !== undefined);
        return;
      case "flagbits":
        this.guarded(s.when, () => {
          values.value(s.value);
          values.flags.setBits(s.mask);
        });
        values.flags.noteBits(s.mask, s.when !== undefined);
        return;
      case "setreg":
        this.setRegister(s);
        return;
      case "checktarget":
        this.checkTarget(s.target);
        return;
      case "jump":
        this.jump(s.target, s.test);
        return;
      case "helper":
        this.helper(s.ends);
        return;
    }
  }

  private guarded(when: Value | undefined, emit: () => void): void {
    if (!when) {
      emit();
      return;
    }
    this.values.value(when);
    this.f.if();
    emit();
    this.f.end();
  }

  private setFlags(s: SetFlags): void {
    const { values } = this;
    values.flags.settle(ARITH_FLAGS & ~s.mask);
    values.wide(s.result);
    values.wide(s.a);
    values.wide(s.b);
    values.flags.setLazy(s.kind, s.size, s.mask);
  }

  private setRegister(s: Extract<Statement, { op: "setreg" }>): void {
    const { f, values } = this;
    const r = this.frame.reg(s.reg);
    if (s.size >= 32) {
      if (s.size === 64) values.value(s.value);
      else values.wide(s.value);
      f.set(r);
      return;
    }
    const shift = s.highByte ? 8 : 0;
    const mask = (s.size === 8 ? 0xff : 0xffff) << shift;
    f.get(r).i64(~mask, -1).op("i64.and");
    values.value(s.value);
    if (shift) f.i32(shift).op("i32.shl");
    f.i32(mask).op("i32.and").op("i64.extend_u").op("i64.or").set(r);
  }

  private checkTarget(target: Value): void {
    const { f } = this;
    if (target.op === "const" && this.ir.insn.bits === 64 && (target.high >> 15 === 0 || target.high >> 15 === -1))
      return;
    this.values.wide(target);
    f.set(this.target);
    if (this.ir.insn.bits === 64) {
      // Canonical: bits 63:47 are all alike.
      f.get(this.target).i64(47, 0).op("i64.shr_s").i64(1, 0).op("i64.add").i64(1, 0).op("i64.gt_u").if();
      this.checkTargetSlowly();
      f.end();
    } else this.checkTargetSlowly();
  }

  private checkTargetSlowly(): void {
    const { f } = this;
    f.get(this.target).op("i32.wrap").get(this.target).i64(32, 0).op("i64.shr_u").op("i32.wrap");
    f.call(importIndex("checkTarget")).if();
    this.exitFault();
    f.end();
  }

  private jump(target: Value, test: Value | undefined): void {
    const { f, frame } = this;
    if (target.op !== "const") {
      this.values.wide(target);
      f.set(frame.rip);
      this.targets.goToComputed();
      return;
    }
    if (test) {
      this.values.value(test);
      f.if();
      this.targets.goTo(target.low, target.high);
      f.end();
      this.targets.goTo(...nextIp(this.ir.insn));
    } else this.targets.goTo(target.low, target.high);
  }

  private helper(ends: boolean): void {
    const { f, frame } = this;
    frame.addToBudget(this.unused);
    f.i64(...nextIp(this.ir.insn)).set(frame.rip);
    frame.store();
    f.i32(this.links.helper(this.ir)).call(importIndex("helper")).set(this.status);
    frame.loadRegisters();
    frame.loadFlags();
    this.values.flags.forget();
    f.get(this.status).i32(1).op("i32.eq").if();
    frame.exitTo(this.ir.insn.ipLow, this.ir.insn.ipHigh, EXIT.FAULT);
    f.end();
    if (ends) {
      frame.loadRip();
      frame.addToBudget(-1);
      frame.exitWith(EXIT.SYSTEM);
      return;
    }
    frame.addToBudget(-this.unused);
    f.get(this.status).set(frame.stop);
    this.mayStop = true;
  }
}
