/**
 * The timeline: one event for each entry into the kernel and each way out, with what happened between. Which exit was taken and which
 * of its conditions failed first is read from the labels that really executed (probes), and where C decides from its named tests.
 */
import type { Cpu, TransferEvent } from "../cpu/cpu.ts";
import { OFF, SEG } from "../cpu/layout.ts";
import type { Addr } from "../cpu/state.ts";
import { clonePlain } from "../machine/clone.ts";
import type { Component } from "../machine/types.ts";
import { errnoName } from "./abi/errno.ts";
import type { Siginfo } from "./abi/siginfo.ts";
import { signalName } from "./abi/signal.ts";
import type { Kernel } from "./kernel.ts";
import { hex } from "./memory.ts";

/** One stay in the kernel that has not ended; entries nest when an event strikes the kernel itself. */
interface OpenEntry {
  kind: string;
  label: string;
  vector: number | undefined;
  fromUser: boolean;
  /** Exit and check labels in the order they executed. */
  path: string[];
  /** What C decided about a fast exit, if it was asked. */
  decided: { passed: string[]; failing: string | undefined } | undefined;
}

/** How a CPU last came into the kernel and left it, for views. */
export interface LastTrip {
  readonly entry: { readonly kind: string; readonly label: string; readonly vector: number | undefined } | undefined;
  readonly exit:
    | { readonly instruction: string; readonly firstFailing: string | undefined; readonly path: readonly string[] }
    | undefined;
}

interface CpuTimeline {
  open: OpenEntry[];
  /** Where the last return to kernel mode went: a label there was reached before, and is not reached again. */
  resumedAt?: Addr | undefined;
  last: LastTrip;
}

interface TimelineState {
  cpus: CpuTimeline[];
  /** What tasks that do not run have open, by pid. */
  tasks: Record<number, OpenEntry[]>;
}

export class Timeline implements Component {
  readonly name = "timeline";
  readonly #k: Kernel;
  readonly #labels = new Map<Addr, string>();
  #cpus: CpuTimeline[];
  #tasks: Record<number, OpenEntry[]> = {};
  /** The instruction of the common return that may fault. */
  #iret: Addr | undefined;
  /** Where the IRET of an NMI goes that another NMI struck. */
  #repeatNmi: Addr | undefined;

  constructor(kernel: Kernel) {
    this.#k = kernel;
    this.#cpus = kernel.machine.cpus.map(() => ({ open: [], last: { entry: undefined, exit: undefined } }));
  }

  /** Connects to the CPUs; once, when the kernel image is known. */
  install(): void {
    const { arch, machine } = this.#k;
    for (const name of [...Object.keys(this.#k.entries), ...arch.exitLabels]) {
      if (this.#k.hasSymbol(name)) this.#labels.set(this.#k.symbol(name), name);
    }
    for (const name of arch.exitLabels) {
      if (this.#k.hasSymbol(name)) this.#k.probes.add(this.#k.symbol(name), (cpu, addr) => this.#probe(cpu, addr));
    }
    const iret = ["native_irq_return_iret", "irq_return"].find((name) => this.#k.hasSymbol(name));
    this.#iret = iret === undefined ? undefined : this.#k.symbol(iret);
    if (this.#k.hasSymbol("repeat_nmi")) this.#repeatNmi = this.#k.symbol("repeat_nmi");
    for (const cpu of machine.cpus) {
      cpu.hooks.transfer = (c: Cpu, event: TransferEvent) => this.#transfer(c, event);
    }
  }

  last(cpu: number): LastTrip {
    return this.#cpus[cpu]!.last;
  }
  /** Entries that have not returned yet, outermost first. */
  open(cpu: number): readonly { kind: string; label: string }[] {
    return this.#cpus[cpu]!.open;
  }

  #probe(cpu: Cpu, addr: Addr): void {
    const label = this.#labels.get(addr);
    const state = this.#cpus[cpu.index]!;
    const path = state.open.at(-1)?.path;
    const again = state.resumedAt === addr && path?.at(-1) === label;
    state.resumedAt = undefined;
    if (label !== undefined && !again) path?.push(label);
  }

  #transfer(cpu: Cpu, event: TransferEvent): void {
    switch (event.kind) {
      case "iret":
      case "sysret":
      case "sysexit":
        this.#exit(cpu, event);
        break;
      case "far":
      case "task-switch":
        this.#emit("transfer", cpu, { kind: event.kind, ...ends(event), cs: cpu.selector(SEG.CS) });
        break;
      default:
        this.#enter(cpu, event);
    }
  }

  #enter(cpu: Cpu, event: TransferEvent): void {
    const label = this.#labels.get(event.toIp) ?? hex(event.toIp);
    const known = this.#k.entries[label];
    const kind = known?.kind ?? event.kind;
    const entry: OpenEntry = {
      kind,
      label,
      vector: event.vector,
      fromUser: event.fromCpl === 3,
      path: [],
      decided: undefined,
    };
    const state = this.#cpus[cpu.index]!;
    if (event.fromIp === this.#iret) this.#refused(cpu, state.open.at(-1), event);
    // nothing of an earlier stay is left once user mode has run
    if (entry.fromUser) state.open = [];
    state.open.push(entry);
    state.last = { entry: { kind, label, vector: event.vector }, exit: undefined };
    if (event.kind === "exception") this.#fault(cpu, event);
    if (this.#wants("entry"))
      this.#emit("entry", cpu, { kind, label, vector: event.vector, compat: known?.compat, ...ends(event) });
  }

  /** The IRET to user mode that the processor refused: an exit that was decided and did not happen. */
  #refused(cpu: Cpu, entry: OpenEntry | undefined, event: TransferEvent): void {
    const firstFailing = this.#firstFailing(entry);
    this.#emit("exit-refused", cpu, {
      instruction: "iret",
      ...(firstFailing === undefined ? {} : { firstFailing }),
      path: [...(entry?.path ?? [])],
      vector: event.vector,
      errorCode: event.errorCode,
      why: event.why,
    });
  }

  #fault(cpu: Cpu, event: TransferEvent): void {
    const address = event.vector === 14 ? { address: hex(cpu.getAddr(OFF.CR2)) } : {};
    this.#emit("fault", cpu, {
      vector: event.vector,
      errorCode: event.errorCode,
      why: event.why,
      ip: hex(event.fromIp),
      ...address,
    });
  }

  #exit(cpu: Cpu, event: TransferEvent): void {
    const state = this.#cpus[cpu.index]!;
    // an NMI that another one struck goes round once more before it leaves
    const isLeaving = event.toIp !== this.#repeatNmi;
    const entry = isLeaving ? state.open.pop() : state.open.at(-1);
    state.resumedAt = event.toCpl === 3 ? undefined : event.toIp;
    const instruction = this.#exitInstruction(cpu, event);
    const path = entry?.path ?? [];
    const firstFailing = event.toCpl === 3 ? this.#firstFailing(entry) : undefined;
    if (event.toCpl === 3) {
      state.open = [];
      state.last = { entry: state.last.entry, exit: { instruction, firstFailing, path } };
    }
    if (!this.#wants("exit")) return;
    this.#emit("exit", cpu, {
      instruction,
      ...(firstFailing === undefined ? {} : { firstFailing }),
      path: isLeaving ? path : [...path],
      entry: entry?.label,
      ...(isLeaving ? {} : { repeats: true }),
      ...ends(event),
      cs: cpu.selector(SEG.CS),
      ss: cpu.selector(SEG.SS),
    });
  }

  #exitInstruction(cpu: Cpu, event: TransferEvent): string {
    if (event.kind !== "sysret") return event.kind;
    return cpu.selector(SEG.CS) === this.#k.layout.selectors.__USER32_CS ? "sysretl" : "sysret";
  }

  /** The last test that ran, when none of the fast exits was reached. */
  #firstFailing(entry: OpenEntry | undefined): string | undefined {
    if (entry === undefined) return undefined;
    if (entry.decided !== undefined) return entry.decided.failing;
    const { checkLabels, fastExits } = this.#k.arch;
    if (entry.path.some((label) => fastExits.includes(label))) return undefined;
    return entry.path.filter((label) => checkLabels.includes(label)).at(-1);
  }

  /** A program that begins leaves the kernel without having entered it. */
  begin(cpu: Cpu, label: string): void {
    this.#cpus[cpu.index]!.open = [
      { kind: "fork", label, vector: undefined, fromUser: true, path: [], decided: undefined },
    ];
  }

  /** A new task: its first way out is that of a fork. */
  forked(pid: number, label: string): void {
    this.#tasks[pid] = [{ kind: "fork", label, vector: undefined, fromUser: true, path: [], decided: undefined }];
  }
  /** Another task runs on the CPU: what it has open comes with it. */
  switched(cpu: Cpu, from: number, to: number): void {
    const state = this.#cpus[cpu.index]!;
    this.#tasks[from] = state.open;
    state.open = this.#tasks[to] ?? [];
    delete this.#tasks[to];
    this.#emit("switch", cpu, { from, to });
  }
  /** A task is gone for good. */
  ended(pid: number): void {
    delete this.#tasks[pid];
  }

  /** A fast exit that C decides: the tests that were made, and the one that failed. */
  decided(cpu: Cpu, passed: string[], failing: string | undefined): void {
    const entry = this.#cpus[cpu.index]!.open.at(-1);
    if (entry === undefined) return;
    entry.decided = { passed, failing };
    entry.path.push(...passed);
  }

  upcall(cpu: Cpu, name: string): void {
    if (this.#wants("upcall")) this.#emit("upcall", cpu, { name });
  }
  exitWork(cpu: Cpu, item: string, flags: readonly string[]): void {
    this.#emit("exit-work", cpu, { item, flags });
  }
  /** A hook of context tracking; `redundant`: it was so already. */
  contextTracking(cpu: Cpu, item: string, by: string, redundant: boolean): void {
    this.#emit("exit-work", cpu, { item, flags: ["NOHZ"], by, redundant });
  }
  /** A record of audit, with the fields of its SYSCALL lines. */
  audit(cpu: Cpu, call: { arch: number; nr: number; args: readonly bigint[]; success: boolean; exit: number }): void {
    this.#emit("audit", cpu, {
      arch: call.arch.toString(16),
      syscall: call.nr,
      success: call.success ? "yes" : "no",
      exit: call.exit,
      ...Object.fromEntries(call.args.map((arg, i) => [`a${i}`, arg.toString(16)])),
    });
  }
  /** What seccomp's filters said about a call, if it was not to allow it. */
  seccomp(cpu: Cpu, action: string, data: number, nr: number, arch: number): void {
    this.#emit("seccomp", cpu, { action, data, nr, arch: arch.toString(16) });
  }
  /** A copy from or to user memory that the guest has made, as far as it went. */
  userCopy(cpu: Cpu, name: string, user: Addr, size: number, done: number): void {
    if (this.#wants("user-copy"))
      this.#emit("user-copy", cpu, { function: name, address: hex(user), size, left: size - done });
  }
  signalRaised(cpu: Cpu, info: Siginfo): void {
    this.#emit("signal", cpu, { step: "raised", ...describe(info) });
  }
  signalDelivered(cpu: Cpu, info: Siginfo, how: "handler" | "default", handler?: bigint): void {
    this.#emit("signal", cpu, {
      step: how,
      ...describe(info),
      ...(handler === undefined ? {} : { handler: `0x${handler.toString(16)}` }),
    });
  }
  syscallEnter(cpu: Cpu, name: string, nr: number, args: readonly bigint[], compat: boolean): void {
    if (!this.#wants("syscall-enter")) return;
    this.#emit("syscall-enter", cpu, { name, nr, args: args.map((a) => `0x${a.toString(16)}`), compat });
  }
  /** @param result undefined = the call did not return. */
  syscallExit(
    cpu: Cpu,
    name: string,
    nr: number,
    args: readonly bigint[],
    compat: boolean,
    result: number | bigint | undefined,
  ): void {
    if (!this.#wants("syscall")) return;
    const shown = args.map((a) => `0x${a.toString(16)}`);
    this.#emit("syscall", cpu, { name, nr, args: shown, compat, ...describeResult(compat, result) });
  }

  #wants(type: string): boolean {
    return this.#k.machine.events.wants(type);
  }
  #emit(type: string, cpu: Cpu, fields: Record<string, unknown>): void {
    this.#k.machine.events.emit(type, cpu.index, fields);
  }

  save(): unknown {
    return clonePlain({ cpus: this.#cpus, tasks: this.#tasks } satisfies TimelineState);
  }
  restore(state: unknown): void {
    const { cpus, tasks } = clonePlain(state) as TimelineState;
    this.#cpus = cpus;
    this.#tasks = tasks;
  }
}

/** Addresses as text: transfers come from the same few places again and again. */
const shown = new Map<Addr, string>();
const MOST_SHOWN = 4096;
function show(addr: Addr): string {
  let text = shown.get(addr);
  if (text === undefined) {
    if (shown.size >= MOST_SHOWN) shown.clear();
    shown.set(addr, (text = hex(addr)));
  }
  return text;
}

const ends = (event: TransferEvent) => ({
  fromCpl: event.fromCpl,
  toCpl: event.toCpl,
  fromIp: show(event.fromIp),
  toIp: show(event.toIp),
});

const describe = (info: Siginfo): Record<string, unknown> => ({
  signal: signalName(info.signo),
  signr: info.signo,
  code: info.code,
  ...(info.addr === undefined ? {} : { addr: `0x${info.addr.toString(16)}` }),
});

function describeResult(compat: boolean, result: number | bigint | undefined): Record<string, unknown> {
  if (result === undefined) return {};
  const value = BigInt.asIntN(compat ? 32 : 64, BigInt(result));
  if (value < 0n && value >= -4095n) return { result: Number(value), error: errnoName(Number(value)) };
  return {
    result: value >= 0n && value < 0x1_0000_0000n ? Number(value) : `0x${BigInt.asUintN(64, value).toString(16)}`,
  };
}
