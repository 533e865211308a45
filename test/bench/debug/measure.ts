/** Clocks and statistics of the debugger's benchmark. Processor time, since the machine may be busy with something else. */

/** Processor time of this process so far, all threads, in milliseconds. */
export function processorTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/** Milliseconds of processor time that `work` took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = processorTime();
  await work();
  return processorTime() - began;
}

export interface Spread {
  readonly p50: number;
  readonly p99: number;
  readonly most: number;
}

export function spreadOf(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (part: number): number => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!;
  return { p50: at(0.5), p99: at(0.99), most: at(1) };
}

export const median = (samples: readonly number[]): number => spreadOf(samples).p50;

/** Three digits that count: 0.0123, 1.23, 12,300. */
export function digits(value: number): string {
  if (value >= 1000) return Math.round(Number(value.toPrecision(3))).toLocaleString("en");
  return String(Number(value.toPrecision(3)));
}

export const milliseconds = ({ p50, p99 }: Spread): string => `${digits(p50)} / ${digits(p99)} ms`;

/** "1,230,000" as "1.23 M". */
export function perSecond(rate: number): string {
  if (rate >= 1e6) return `${digits(rate / 1e6)} M/s`;
  return rate >= 1e3 ? `${digits(rate / 1e3)} k/s` : `${digits(rate)} /s`;
}
