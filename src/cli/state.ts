/**
 * `ringside state PROGRAM --at PLACE`: boots the program, runs it straight to an instant, and prints the whole of it as JSON: by the number of
 * the instruction that comes next, or by label, expression or event as `inject` takes them: call stack, every scope of the running frame, disassembly and memory there, the kernel's state.
 */
import { toBase64 } from "../adapter/debug/base64.ts";
import { Breakpoints } from "../adapter/debug/breakpoints.ts";
import { ConfigurationError, readConfiguration } from "../adapter/debug/configuration.ts";
import { codeAround } from "../adapter/debug/disassembly.ts";
import { espfixState } from "../adapter/debug/espfix-view.ts";
import type { FileSystem } from "../adapter/debug/files.ts";
import { hexAddr } from "../adapter/debug/format.ts";
import { peekBytes } from "../adapter/debug/guest-memory.ts";
import { goalOf, readTrigger } from "../adapter/debug/injections.ts";
import { KernelHistory, kernelState } from "../adapter/debug/kernel-view.ts";
import { createTarget } from "../adapter/debug/load.ts";
import { RunControl } from "../adapter/debug/run-control.ts";
import { expressionScope } from "../adapter/debug/scope.ts";
import { scopesOf } from "../adapter/debug/scopes.ts";
import { callStack } from "../adapter/debug/stack.ts";
import type { Target } from "../adapter/debug/target.ts";
import type { Variable } from "../adapter/debug/variables.ts";
import type { Cpu } from "../emu/cpu/cpu.ts";
import { readFile, uriOf } from "./files.ts";
import { hostFiles } from "./host-files.ts";
import { parse, text } from "./options.ts";
import { UsageError } from "./usage.ts";

const LINES = 8;
const BYTES = 64;
/** How far scopes are unfolded. */
const LEVELS = 2;

export async function state(args: readonly string[]): Promise<number> {
  const parsed = parse(args, { at: { type: "string" }, launch: { type: "string" } });
  const [name, ...rest] = parsed.positionals;
  if (name === undefined || rest.length > 0) throw new UsageError("state takes one PROGRAM");
  const at = text(parsed, "at") ?? "#0";
  const launch = text(parsed, "launch");
  const settings = launch === undefined ? {} : parseJson(new TextDecoder().decode(readFile(launch)), launch);
  process.stdout.write(`${JSON.stringify(await stateAt({ ...settings, program: uriOf(name) }, hostFiles, at))}\n`);
  return 0;
}

function parseJson(json: string, name: string): object {
  try {
    return JSON.parse(json) as object;
  } catch {
    throw new UsageError(`${name} is not JSON`);
  }
}

/** @throws UsageError for a program that cannot be loaded, or that ends before; or for a place that makes no sense. */
export async function stateAt(launch: Readonly<Record<string, unknown>>, files: FileSystem, at: string) {
  const target = await load(launch, files);
  const history = target.kernel === undefined ? undefined : new KernelHistory(target, target.kernel);
  await runTo(target, at);
  const { kernel } = target;
  const cpu = target.machine.currentCpu;
  return {
    icount: target.machine.icount,
    ...codeState(target, cpu),
    scopes: scopesState(target, cpu),
    ...(kernel !== undefined &&
      history !== undefined && {
        kernelState: kernelState(target, kernel, history, cpu),
        espfix: espfixState(kernel, cpu),
      }),
  };
}

/** A bare number counts instructions, as `#N` does. */
async function runTo(target: Target, at: string): Promise<void> {
  const control = new RunControl(target, new Breakpoints());
  const place = /^\d[\d_]*$/.test(at) ? `#${at}` : at;
  const trigger = readTrigger(place, target.spaces, (cpu) => expressionScope(target, cpu));
  if (typeof trigger === "string") throw new UsageError(trigger.replace("nothing to inject", "no instant"));
  const goal = goalOf(control, trigger);
  if (goal === undefined)
    throw new UsageError("--at takes a label, #N or event NAME; a condition goes behind one of these");
  if (goal.icount !== undefined && goal.icount <= target.machine.icount) return;
  const outcome = await control.run(goal);
  if (outcome !== "reached") throw new UsageError(`the program ended at instruction ${target.machine.icount}`);
}

async function load(launch: Readonly<Record<string, unknown>>, files: FileSystem): Promise<Target> {
  try {
    const loaded = await createTarget(readConfiguration(launch), files);
    if (loaded.target === undefined) throw new UsageError(loaded.problem, 1);
    return loaded.target;
  } catch (error) {
    if (error instanceof ConfigurationError) throw new UsageError(error.message);
    throw error;
  }
}

function codeState(target: Target, cpu: Cpu) {
  const ip = cpu.linearIp;
  return {
    stack: callStack(target, cpu).map(({ address, bits, line, ...frame }) => ({
      name: frame.name,
      cpl: frame.cpl,
      bits,
      address: hexAddr(address, bits),
      ...(line !== undefined && { source: line.uri, line: line.line + 1 }),
    })),
    disassembly: codeAround(target, cpu, ip, 0, LINES, "nasm").map(({ address, text: instruction }) => ({
      address: hexAddr(address),
      instruction,
    })),
    memory: { address: hexAddr(ip), data: toBase64(peekBytes(cpu, ip, BYTES)) },
  };
}

function scopesState(target: Target, cpu: Cpu): Record<string, Record<string, unknown>> {
  const [frame] = callStack(target, cpu, 1);
  if (frame === undefined) return {};
  return Object.fromEntries(
    scopesOf(target, cpu, frame).map(({ name, variables }) => [name, unfolded(variables(), LEVELS)]),
  );
}

type Values = { [name: string]: string | { value: string; parts: Values } };

const unfolded = (variables: readonly Variable[], levels: number): Values =>
  Object.fromEntries(
    variables.map(({ name, value, children }) => [
      name,
      children === undefined || levels === 1 ? value : { value, parts: unfolded(children(), levels - 1) },
    ]),
  );
