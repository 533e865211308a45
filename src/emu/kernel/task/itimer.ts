/** ITIMER_REAL (kernel/time/itimer.c): one timer a process, in machine time, whose end is a SIGALRM. */
import { SI_CODE, SIG } from "../abi/signal.ts";
import type { Kernel } from "../kernel.ts";
import { sendSignal } from "../signal/send.ts";
import type { Process } from "../state.ts";
import { armTimer } from "./sched.ts";

export interface RealTimer {
  /** Machine time at which it ends, and how long it runs when it begins anew; 0 = it does not. */
  readonly expires: number;
  readonly interval: number;
  /** Whose local timer it is. */
  readonly cpu: number;
}

/** What is left, in nanoseconds: at least one while it runs. */
export const timeLeft = (k: Kernel, { realTimer }: Process): number =>
  realTimer === undefined ? 0 : Math.max(1, realTimer.expires - k.machine.now);

/** @param value nanoseconds from now, 0 = none */
export function setRealTimer(k: Kernel, process: Process, value: number, interval: number): void {
  if (value === 0) delete process.realTimer;
  else process.realTimer = { expires: k.machine.now + value, interval, cpu: k.machine.currentCpu.index };
  armTimer(k);
}

/** it_real_fn() for every timer of a CPU that is due. */
export function expireTimers(k: Kernel, cpu: number): void {
  const { now } = k.machine;
  for (const process of k.state.processes) {
    const { realTimer } = process;
    if (realTimer === undefined || realTimer.cpu !== cpu || realTimer.expires > now) continue;
    const { interval, expires } = realTimer;
    if (interval === 0) delete process.realTimer;
    else
      process.realTimer = { ...realTimer, expires: expires + interval * (Math.floor((now - expires) / interval) + 1) };
    const target = k.state.tasks.find((t) => t.tgid === process.tgid && !t.dead);
    if (target === undefined) continue;
    armTimer(k, now);
    sendSignal(k, target, { signo: SIG.SIGALRM, errno: 0, code: SI_CODE.SI_KERNEL, pid: 0, uid: 0 }, true);
  }
}
