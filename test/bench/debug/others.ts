/** The debuggers that Ringside is measured beside: each measures itself by a script of its own language. Absent ones say so. */
import { spawn, spawnSync } from "node:child_process";
import path from "node:path";

export interface OtherFigures {
  readonly step: readonly number[];
  /** False conditions a second. */
  readonly conditions?: number;
  readonly back?: readonly number[];
  /** Instructions a second, forwards under recording and backwards. */
  readonly recorded?: number;
  readonly reverse?: number;
}

const LIMIT = 120_000;
const script = (root: string, name: string): string => path.join(root, "test/bench/debug", name);

function resultOf(
  command: string,
  args: readonly string[],
  env: Record<string, string> = {},
): OtherFigures | undefined {
  const { stdout } = spawnSync(command, args, { encoding: "utf8", timeout: LIMIT, env: { ...process.env, ...env } });
  const line = stdout?.split("\n").find((text) => text.startsWith("RESULT "));
  return line === undefined ? undefined : JSON.parse(line.slice("RESULT ".length));
}

export const gdb = (root: string, program: string, what: "plain" | "record"): OtherFigures | undefined =>
  resultOf("gdb", ["-nx", "-batch", "-x", script(root, "gdb-bench.py"), program], { WHAT: what });

export function gdbOnQemu(root: string, program: string): OtherFigures | undefined {
  const port = String(20000 + (process.pid % 20000));
  const qemu = spawn("qemu-x86_64", ["-g", port, program], { stdio: "ignore" });
  qemu.on("error", () => {});
  try {
    return resultOf("gdb", ["-nx", "-batch", "-x", script(root, "gdb-bench.py"), program], {
      WHAT: "remote",
      PORT: port,
    });
  } finally {
    qemu.kill();
  }
}

export const unicorn = (root: string): OtherFigures | undefined =>
  resultOf(process.env.PYTHON ?? "python3", [script(root, "unicorn-bench.py")]);

/** Run time of a program to its end with a hardware watchpoint that nothing touches, over the time without. */
export function gdbWatch(program: string): number | undefined {
  const run = (commands: readonly string[]): number => {
    const began = performance.now();
    const args = ["-nx", "-batch", ...["starti", ...commands, "continue"].flatMap((each) => ["-ex", each]), program];
    return spawnSync("gdb", args, { timeout: LIMIT }).error === undefined ? performance.now() - began : Number.NaN;
  };
  const ratio = run(["watch *(long*)($sp - 64)"]) / run([]);
  return Number.isNaN(ratio) ? undefined : ratio;
}
