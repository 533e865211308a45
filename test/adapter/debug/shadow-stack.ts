/** Who called, by what was executed: kept instruction by instruction, never looked up in memory. One CPU, and each of its tasks. */
import { peekBytes } from "../../../src/adapter/debug/guest-memory.ts";
import { codeBits } from "../../../src/adapter/debug/registers.ts";
import type { Frame } from "../../../src/adapter/debug/stack.ts";
import type { Target } from "../../../src/adapter/debug/target.ts";
import type { Cpu } from "../../../src/emu/cpu/cpu.ts";
import { InsnStream } from "../../../src/emu/cpu/decode.ts";
import { Mnemonic } from "../../../src/emu/cpu/iced.ts";
import { GPR, OFF } from "../../../src/emu/cpu/layout.ts";
import type { Insn } from "../../../src/emu/cpu/operation.ts";
import { addrToBig } from "../../../src/emu/cpu/state.ts";
import { isParagraphMode } from "../../../src/emu/cpu/system/predicates.ts";
import type { MachineEvent, StopReason } from "../../../src/emu/machine/types.ts";
import { signalFrame } from "./signal-frame.ts";

interface Level {
  /** undefined: nobody knows. What a signal's frame says may become something else until the handler ends. */
  readonly address: number | undefined | (() => number | undefined);
  /** Left by a near call, by an event that entered ring 0, by a signal, or for v8086 mode. */
  readonly by: "call" | "entry" | "signal" | "vm86";
  /** Of a signal: whether the kernel has taken over what its frame says. */
  readonly isRestored?: () => boolean;
}

/** A nested NMI makes the IRET of the first one go there: the call stack knows, and what was executed so far does not tell. */
const REPEATED = "repeat_nmi";

export class ShadowStack {
  readonly #target: Target;
  #levels: Level[] = [];
  #events: MachineEvent[] = [];
  /** The system call that ends a handler is under way. */
  #returning = false;
  /** Of tasks that do not run, by the address of their task_struct, which those to come may have of those gone. */
  readonly #waiting = new Map<bigint, Level[]>();

  constructor(target: Target) {
    this.#target = target;
    target.machine.events.listen((event) => {
      this.#events.push(event);
      // at once, for the same up-call may deliver another signal to the handler of this one
      if (event.type === "signal" && event.step === "handler") this.#deliver(Number(event.handler));
    });
  }

  begin(): void {
    this.#levels = [];
    this.#events = [];
  }

  /** Addresses of the callers, innermost first. */
  get callers(): (number | undefined)[] {
    return addressesOf(this.#levels);
  }

  /** How often the kernel was entered, and entered again. */
  get entries(): number {
    return this.#levels.filter(({ by }) => by === "entry").length;
  }

  /** Of a call stack's frames, the addresses of those that what was executed can tell of. */
  told(frames: readonly Pick<Frame, "address" | "name">[]): number[] {
    const { callers } = this;
    const known = frames.slice(1).filter(({ address, name }) => name !== REPEATED || callers.includes(address));
    return known.map(({ address }) => address);
  }

  /** Whether these are the callers, innermost first. */
  agrees(actual: readonly number[]): boolean {
    return equals(this.#levels, actual) || equals(this.#levels.filter(outsideAgain), actual);
  }

  /**
   * The one address in which `actual` differs, if that is where an event struck: the kernel may have decided to go on elsewhere,
   * behind an instruction that it has emulated, or behind an up-call that was interrupted.
   */
  movedOn(actual: readonly number[]): number | undefined {
    const different = this.callers.flatMap((address, i) => (address === undefined || address === actual[i] ? [] : [i]));
    const [only] = different;
    if (actual.length !== this.#levels.length || different.length !== 1 || only === undefined) return undefined;
    return this.#levels.at(-1 - only)!.by === "entry" ? actual[only] : undefined;
  }

  /** Whether the code that runs is about to go to another task's stack, or has just done so. */
  get switching(): boolean {
    const { currentCpu: cpu } = this.#target.machine;
    return this.#target.symbols(cpu).nearest(cpu.linearIp)?.name === SWITCH;
  }

  /** Nothing will return by the stack that there was: only what was saved on another one is left. */
  loseStack(): void {
    this.#levels.length = this.#levels.findLastIndex(({ by }) => by === "entry") + 1;
  }

  step(): StopReason {
    const { machine } = this.#target;
    const cpu = machine.currentCpu;
    const before = { cpl: cpu.cpl, ip: cpu.linearIp };
    const switched = this.switching ? switchedTasks(cpu) : undefined;
    const insn = this.#decode();
    this.#events = [];
    const reason = this.#target.run(1);
    const entries = this.#events.filter(({ type }) => type === "entry");
    for (const { type, name } of this.#events) {
      if (type === "upcall" && name === "fixup_bad_iret") this.#mergeEntries();
      if (type === "syscall-enter" && /sigreturn$/.test(String(name))) this.#returning = true;
      if (type === "syscall-enter" && /^vm86/.test(String(name))) this.#toVm86();
    }
    // a frame may be copied for a while before pt_regs becomes what it says
    if (this.#returning && (this.#levels[this.#lastSignal()]?.isRestored?.() ?? true)) this.#handled();
    const after = { cpl: cpu.cpl, ip: cpu.linearIp };
    if (entries.length > 0) {
      const isTrap =
        insn !== undefined && TRAPS.has(insn.mnemonic) && !this.#events.some(({ type }) => type === "fault");
      const next = isTrap ? this.#behindTrap(insn, before.ip + insn.length) : undefined;
      for (const { fromIp } of entries) {
        const address = next ?? Number(BigInt.asIntN(64, BigInt(String(fromIp))));
        this.#levels.push({ address, by: "entry" });
      }
    } else if (
      this.#events.some(({ type }) => type === "exit" || type === "iret") ||
      (before.cpl < 3 && after.cpl === 3)
    ) {
      this.#leave(after.ip);
    } else if (insn !== undefined) this.#near(insn.mnemonic, before.ip + insn.length, after.ip);
    for (const { type, child } of this.#events) if (type === "fork") this.#fork(Number(child));
    if (switched !== undefined && Math.abs(Number(cpu.gpr(GPR.RSP) - switched.sp)) > 8) this.#switch(switched);
    return reason;
  }

  /** SYSENTER says nothing of where it was, and nobody asks a 32-bit SYSCALL: the kernel goes back to one place, whatever there was. */
  #behindTrap({ mnemonic, bits }: Insn, next: number): number {
    if (mnemonic !== Mnemonic.Sysenter && (mnemonic !== Mnemonic.Syscall || bits === 64)) return next;
    return this.#target.symbols(this.#target.machine.currentCpu).address("int80_landing_pad")!;
  }

  /** A child leaves the kernel where its parent does. */
  #fork(pid: number): void {
    const { kernel } = this.#target;
    const task = addrToBig(kernel!.threadInfo(kernel!.standIn(pid)!));
    this.#waiting.set(task, this.#levels.slice(0, this.#levels.findLastIndex(({ by }) => by === "entry") + 1));
  }

  /** Onto the stack of a task that waits, or that has never run: such a one begins where __switch_to_asm returns to. */
  #switch({ from, to }: Switched): void {
    this.#waiting.set(from, this.#levels);
    this.#levels = this.#waiting.get(to) ?? [];
  }

  #near(mnemonic: number, next: number, ip: number): void {
    if (mnemonic === Mnemonic.Call) this.#levels.push({ address: next, by: "call" });
    const top = this.#levels.at(-1);
    if (mnemonic === Mnemonic.Ret && top !== undefined && (addressOf(top) ?? ip) === ip) this.#levels.pop();
    if (isIret(mnemonic)) this.#leave(ip);
  }

  /**
   * A signal's frame is on the stack: the kernel will return to the handler, that to the restorer, and that to where the frame says. If
   * it struck at the kernel's own IRET, that is where IRET was to go; and a signal ends v8086 mode.
   */
  #deliver(handler: number): void {
    const at = this.#levels.findLastIndex(({ by }) => by === "entry");
    const nested = this.#levels.findIndex(({ by }, i) => by === "entry" && i > this.#lastSignal()) < at;
    const { restorer, saved, isRestored } = signalFrame(this.#target, this.#target.machine.currentCpu);
    const levels: Level[] = [
      { address: saved, by: "signal", isRestored },
      { address: restorer, by: "call" },
      { address: handler, by: "entry" },
    ];
    const replaced = nested || this.#levels[at - 1]?.by === "vm86" ? 2 : 1;
    this.#levels.splice(at + 1 - replaced, replaced, ...levels);
  }

  /** The handler has ended: the entry is back from where its frame says. */
  #handled(): void {
    this.#returning = false;
    const from = this.#lastSignal();
    const to = this.#levels.findIndex(({ by }, i) => by === "entry" && i > from);
    if (from < 0) return;
    this.#levels.splice(from, to - from + 1, { address: addressOf(this.#levels[from]!), by: "entry" });
  }

  /** The fault of a refused IRET becomes one that struck where IRET was to go. */
  #mergeEntries(): void {
    const at = this.#levels.findLastIndex(({ by }) => by === "entry");
    const before = this.#levels.findLastIndex(({ by }, i) => by === "entry" && i < at);
    if (before >= 0) this.#levels.splice(before, at - before + 1, this.#levels[before]!);
  }

  /** The kernel will go to v8086 mode; the code that asked for it waits outside. */
  #toVm86(): void {
    const at = this.#levels.findLastIndex(({ by }) => by === "entry");
    this.#levels.splice(at, 1, { address: this.#levels[at]!.address, by: "vm86" }, { address: undefined, by: "entry" });
  }

  #lastSignal(): number {
    return this.#levels.findLastIndex(({ by }) => by === "signal");
  }

  /** Out of the kernel, or of an exception in the kernel, to `ip`. */
  #leave(ip: number): void {
    const cpu = this.#target.machine.currentCpu;
    const struck = this.#levels.findLast(({ by }) => by === "entry");
    if (struck?.address !== ip && this.#target.symbols(cpu).describe(ip) === REPEATED) return; // it goes on there, and leaves later
    while (this.#levels.length > 0 && this.#levels.pop()!.by !== "entry");
    const outside = this.#levels.findLastIndex(({ by }) => by === "vm86");
    if (outside >= 0 && addressOf(this.#levels[outside]!) === ip) this.#levels.length = outside;
  }

  #decode() {
    const cpu = this.#target.machine.currentCpu;
    const bytes = peekBytes(cpu, cpu.linearIp, 15);
    if (bytes.length === 0) return undefined;
    const bits = codeBits(cpu);
    const context = { bits, stackSize: bits, real: isParagraphMode(cpu), amd: false };
    const stream = new InsnStream(bytes, 0, 0, context);
    const insn = stream.next();
    stream.free();
    return insn;
  }
}

const SWITCH = "__switch_to_asm";

interface Switched {
  readonly sp: bigint;
  readonly from: bigint;
  readonly to: bigint;
}

/** The arguments of __switch_to_asm. */
function switchedTasks(cpu: Cpu): Switched {
  const [from, to] = (cpu.get32(OFF.EFER) & LMA) === 0 ? [GPR.RAX, GPR.RDX] : [GPR.RDI, GPR.RSI];
  return { sp: cpu.gpr(GPR.RSP), from: cpu.gpr(from), to: cpu.gpr(to) };
}

const LMA = 0x400;

const addressOf = ({ address }: Level): number | undefined => (typeof address === "function" ? address() : address);

/** Innermost first. */
const addressesOf = (levels: readonly Level[]): (number | undefined)[] => levels.map(addressOf).reverse();

function equals(levels: readonly Level[], actual: readonly number[]): boolean {
  const expected = addressesOf(levels);
  return (
    expected.length === actual.length && expected.every((address, i) => address === undefined || address === actual[i])
  );
}

/** The kernel has decided to leave v8086 mode: what it interrupted is gone already. */
const outsideAgain = ({ by }: Level, i: number, levels: readonly Level[]): boolean =>
  by !== "entry" || levels[i - 1]?.by !== "vm86";

/** They enter the kernel to come back behind themselves. */
const TRAPS: ReadonlySet<number> = new Set([
  Mnemonic.Syscall,
  Mnemonic.Sysenter,
  Mnemonic.Int,
  Mnemonic.Int3,
  Mnemonic.Into,
]);

const isIret = (mnemonic: number): boolean =>
  mnemonic === Mnemonic.Iret || mnemonic === Mnemonic.Iretd || mnemonic === Mnemonic.Iretq;
