/** Sets of signals as bigints: bit n-1 stands for signal n. */
import { SIG, SYNCHRONOUS } from "../abi/signal.ts";

export const bitOf = (signr: number): bigint => 1n << BigInt(signr - 1);
export const hasSignal = (set: bigint, signr: number): boolean => (set & bitOf(signr)) !== 0n;
export const UNBLOCKABLE = bitOf(SIG.SIGKILL) | bitOf(SIG.SIGSTOP);
const SYNCHRONOUS_MASK = [...SYNCHRONOUS].reduce((set, signr) => set | bitOf(signr), 0n);

/** next_signal(): the one to deliver first of those not in `blocked`; 0 = none. */
export function nextSignal(pending: bigint, blocked: bigint): number {
  const ready = pending & ~blocked;
  const first = (ready & SYNCHRONOUS_MASK) !== 0n ? ready & SYNCHRONOUS_MASK : ready;
  for (let signr = 1; signr <= 64; signr++) if (hasSignal(first, signr)) return signr;
  return 0;
}
