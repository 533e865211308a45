/** Injections: events that the launch configuration asks for at a place in the program or the kernel. */
import { lookUp } from "../../asmlang/core/look-up.ts";
import { type Cpu, PENDING } from "../cpu/cpu.ts";
import type { Addr } from "../cpu/state.ts";
import type { StopReason } from "../machine/types.ts";
import { SI_CODE, signalNumber } from "./abi/signal.ts";
import { bringsCode } from "./exec/brings-code.ts";
import { raiseIrq } from "./irq.ts";
import type { Kernel } from "./kernel.ts";
import { VECTORS } from "./layout/linux-6.1.ts";
import { sendSignal } from "./signal/send.ts";
import type { Task } from "./state.ts";
import type { Injection, Trigger } from "./types.ts";

interface Installed {
  readonly index: number;
  readonly injection: Injection;
  readonly trigger: Trigger;
  readonly fire: (cpu: Cpu) => void;
  /** Where it has a probe. */
  readonly probed: Set<Addr>;
}

/** The injections of a system. Those at addresses are probes; for the others the run is cut where they may strike. */
export class Injections {
  readonly #k: Kernel;
  readonly #installed: readonly Installed[];
  /** Those that need the run to be cut. */
  readonly #between: readonly Installed[];
  #cut = false;

  private constructor(k: Kernel, installed: readonly Installed[]) {
    this.#k = k;
    this.#installed = installed;
    this.#between = installed.filter(({ trigger }) => trigger.place.kind !== "address");
    for (const each of installed) this.#connect(each);
  }

  /** @returns one sentence if one of them cannot be had. */
  static install(k: Kernel, resolve: (name: string) => Addr | undefined): Injections | string {
    const { inject: wanted, readTrigger } = k.options;
    k.state.injected = wanted.map(() => 0);
    const installed: Installed[] = [];
    for (const [index, injection] of wanted.entries()) {
      const fire = actionOf(k, injection.event);
      if (fire === undefined) return unknownEvent(injection.event);
      const trigger = readTrigger === undefined ? labelled(injection.at, resolve) : readTrigger(k, injection.at);
      if (typeof trigger === "string") return trigger;
      installed.push({ index, injection, trigger, fire, probed: new Set() });
    }
    return new Injections(k, installed);
  }

  #connect(installed: Installed): void {
    const { index, trigger } = installed;
    const { place, holds } = trigger;
    const { machine } = this.#k;
    if (place.kind === "address") {
      this.#probe(installed, place.addresses());
      machine.events.listen(
        (event) => {
          if (bringsCode(event)) this.#probe(installed, place.addresses());
        },
        ["exec", "syscall"],
      );
    } else if (place.kind === "event") {
      machine.events.listen(
        (event) => {
          const { state } = this.#k;
          if (!this.#isLeft(installed) || state.injecting?.some((waiting) => waiting.index === index)) return;
          if (!(holds?.(machine.cpus[event.cpu]!, event) ?? true)) return;
          state.injecting = [...(state.injecting ?? []), { index, cpu: event.cpu }];
          this.#cut = true;
          machine.stop({ kind: "budget" });
        },
        [place.type],
      );
    }
  }

  /** What has been there stays: going back may meet it. */
  #probe(installed: Installed, addresses: readonly Addr[]): void {
    const { probed, trigger } = installed;
    for (const address of addresses) {
      if (probed.has(address)) continue;
      probed.add(address);
      this.#k.probes.add(address, (cpu) => {
        if (this.#isLeft(installed) && (trigger.holds?.(cpu, undefined) ?? true)) this.#strike(installed, cpu);
      });
    }
  }

  #isLeft({ index, injection }: Installed): boolean {
    return this.#k.state.injected[index]! < (injection.count ?? 1);
  }

  #strike({ index, injection, fire }: Installed, cpu: Cpu): void {
    const { at, event } = injection;
    this.#k.state.injected[index]! += 1;
    this.#k.machine.events.emit("inject", cpu.index, { at, event });
    fire(cpu);
  }

  /** As Machine.run(), with the injections between instructions. */
  run(max: number, before?: Cpu): StopReason {
    const { machine } = this.#k;
    if (!this.#between.some((each) => this.#isLeft(each))) return machine.run(max, before);
    const end = machine.icount + max;
    for (;;) {
      this.#strikeDue();
      const left = end - machine.icount;
      if (left <= 0) return { kind: "budget" };
      const from = machine.icount;
      const reason = machine.run(Math.min(left, this.#untilDue()), before);
      const isOurs = this.#cut;
      this.#cut = false;
      if (reason.kind !== "budget" || (machine.icount === from && !isOurs)) return reason;
    }
  }

  /** Instructions until the next look. */
  #untilDue(): number {
    const { icount } = this.#k.machine;
    const due = this.#between.flatMap((each) => {
      const { place } = each.trigger;
      if (!this.#isLeft(each) || place.kind === "event") return [];
      return [place.kind === "instruction" ? place.icount - icount : 1];
    });
    return Math.max(1, Math.min(Number.POSITIVE_INFINITY, ...due));
  }

  #strikeDue(): void {
    const { machine, state } = this.#k;
    const { injecting } = state;
    delete state.injecting;
    for (const { index, cpu } of injecting ?? []) this.#strike(this.#installed[index]!, machine.cpus[cpu]!);
    for (const each of this.#between) {
      if (each.trigger.place.kind !== "event" && this.#isLeft(each) && this.#isDue(each))
        this.#strike(each, machine.nextCpu);
    }
  }

  #isDue({ trigger: { place, holds } }: Installed): boolean {
    const { machine } = this.#k;
    if (place.kind === "instruction" && machine.icount < place.icount) return false;
    return holds?.(machine.nextCpu, undefined) ?? true;
  }
}

/** A label or a hexadecimal address. */
function labelled(at: string, resolve: (name: string) => Addr | undefined): Trigger | string {
  const address = resolve(at) ?? literal(at);
  return address === undefined
    ? `nothing to inject at: there is no symbol ${at}`
    : { place: { kind: "address", addresses: () => [address] } };
}

const unknownEvent = (event: string): string =>
  `unknown event to inject: ${event} (nmi, irq, irq:VECTOR, mc, signal:NAME, tif:FLAG, work:FLAG)`;

/** One sentence if there is no such event. */
export const injectionProblem = (k: Kernel, event: string): string | undefined =>
  actionOf(k, event) === undefined ? unknownEvent(event) : undefined;

/** Makes `event` happen before the CPU's next instruction. @returns one sentence if there is no such event. */
export function inject(k: Kernel, cpu: Cpu, event: string): string | undefined {
  const fire = actionOf(k, event);
  if (fire === undefined) return unknownEvent(event);
  k.machine.events.emit("inject", cpu.index, { event });
  fire(cpu);
  return undefined;
}

const literal = (text: string): Addr | undefined =>
  /^0x[0-9a-f]+$/i.test(text) ? Number(BigInt.asIntN(64, BigInt(text))) : undefined;

function actionOf(k: Kernel, event: string): ((cpu: Cpu) => void) | undefined {
  if (event === "nmi") return (cpu) => cpu.raise(PENDING.NMI);
  if (event === "mc") return (cpu) => cpu.raise(PENDING.MC);
  if (event === "irq") return (cpu) => interrupt(k, cpu);
  const [kind, name = ""] = event.split(":");
  if (kind === "irq") return vectorOf(k, name);
  if (kind === "tif") return flagSetter(k, "flags", lookUp(k.layout.tif, name));
  if (kind === "work") return flagSetter(k, "syscall_work", lookUp(k.layout.syscallWork, name));
  const signo = event.startsWith("signal:") ? signalNumber(event.slice("signal:".length)) : undefined;
  if (signo === undefined) return undefined;
  return (cpu) => {
    const current = k.current(cpu);
    const task = current.idle || current.dead ? k.state.tasks.find((t) => !t.idle && !t.dead) : current;
    if (task !== undefined) signalFromOutside(k, cpu, task, signo);
  };
}

/** A signal to a task's process that no task has sent. @param cpu the one that comes into the kernel to see it. */
export function signalFromOutside(k: Kernel, cpu: Cpu, task: Task, signo: number): void {
  sendSignal(k, task, { signo, errno: 0, code: SI_CODE.SI_USER, pid: 0, uid: 0 }, true);
  // kick_process()
  interrupt(k, cpu);
}

/** External interrupts have the vectors behind the exceptions'. */
const FIRST_VECTOR = 32;
const LAST_VECTOR = 255;

function vectorOf(k: Kernel, text: string): ((cpu: Cpu) => void) | undefined {
  const vector = /^(0x[\da-f]+|\d+)$/i.test(text) ? Number(text) : Number.NaN;
  return vector >= FIRST_VECTOR && vector <= LAST_VECTOR ? (cpu) => raiseIrq(k, cpu, vector) : undefined;
}

/** A flag of the task that runs, in its thread_info: whoever would have set it is not here. */
function flagSetter(k: Kernel, field: string, bit: number | undefined): ((cpu: Cpu) => void) | undefined {
  if (bit === undefined) return undefined;
  return (cpu) => {
    const task = k.current(cpu);
    k.setThreadInfo(task, field, (k.threadInfo(task, field) | (1 << bit)) >>> 0);
  };
}

function interrupt(k: Kernel, cpu: Cpu): void {
  raiseIrq(k, cpu, VECTORS.LOCAL_TIMER);
}
