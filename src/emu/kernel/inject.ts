/** Injections: events that the launch configuration asks for at a place in the program or the kernel. */
import { type Cpu, PENDING } from "../cpu/cpu.ts";
import type { Addr } from "../cpu/state.ts";
import { SI_CODE, signalNumber } from "./abi/signal.ts";
import { raiseIrq } from "./irq.ts";
import type { Kernel } from "./kernel.ts";
import { VECTORS } from "./layout/linux-6.1.ts";
import { sendSignal } from "./signal/send.ts";
import type { Injection } from "./types.ts";

/** Registers the injections' probes. @returns one sentence if one of them cannot be had. */
export function installInjections(k: Kernel, resolve: (name: string) => Addr | undefined): string | undefined {
  const { inject } = k.options;
  k.state.injected = inject.map(() => 0);
  for (const [index, injection] of inject.entries()) {
    const address = resolve(injection.at) ?? literal(injection.at);
    if (address === undefined) return `nothing to inject at: there is no symbol ${injection.at}`;
    const fire = actionOf(k, injection.event);
    if (fire === undefined) return unknownEvent(injection.event);
    k.probes.add(address, (cpu) => reached(k, cpu, index, injection, fire));
  }
  return undefined;
}

const unknownEvent = (event: string): string =>
  `unknown event to inject: ${event} (nmi, irq, mc, signal:NAME, tif:FLAG, work:FLAG)`;

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

/** Only the first `count` times that the place is reached. */
function reached(
  k: Kernel,
  cpu: Cpu,
  index: number,
  { at, event, count = 1 }: Injection,
  fire: (cpu: Cpu) => void,
): void {
  const done = k.state.injected[index]!;
  if (done >= count) return;
  k.state.injected[index] = done + 1;
  k.machine.events.emit("inject", cpu.index, { at, event });
  fire(cpu);
}

function actionOf(k: Kernel, event: string): ((cpu: Cpu) => void) | undefined {
  if (event === "nmi") return (cpu) => cpu.raise(PENDING.NMI);
  if (event === "mc") return (cpu) => cpu.raise(PENDING.MC);
  if (event === "irq") return (cpu) => interrupt(k, cpu);
  const [kind, name = ""] = event.split(":");
  if (kind === "tif") return flagSetter(k, "flags", k.layout.tif[name]);
  if (kind === "work") return flagSetter(k, "syscall_work", k.layout.syscallWork[name]);
  const signo = event.startsWith("signal:") ? signalNumber(event.slice("signal:".length)) : undefined;
  if (signo === undefined) return undefined;
  return (cpu) => {
    const task = k.state.tasks.find((t) => !t.idle && !t.dead);
    if (task === undefined) return;
    sendSignal(k, task, { signo, errno: 0, code: SI_CODE.SI_USER, pid: 0, uid: 0 }, true);
    // kick_process(): user mode must come into the kernel to see it
    interrupt(k, cpu);
  };
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
