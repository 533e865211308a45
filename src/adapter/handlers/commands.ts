/** The debug console's commands, each with its usage and one line of help. */

import type { Cpu } from "../../emu/cpu/cpu.ts";
import { bigToAddr } from "../../emu/cpu/state.ts";
import { describeTable, type GATE_TABLES } from "../debug/descriptor-list.ts";
import { ask } from "../debug/expression.ts";
import { hex, hexAddr } from "../debug/format.ts";
import { translate } from "../debug/guest-memory.ts";
import { goalOf, readTrigger } from "../debug/injections.ts";
import { pageWalk } from "../debug/page-walk.ts";
import { backTo, goToInstruction } from "../debug/reverse.ts";
import { expressionScope } from "../debug/scope.ts";
import type { Context } from "./context.ts";
import { RequestError } from "./errors.ts";
import { resume } from "./running.ts";
import { goBack, lastWriterOf } from "./time-travel.ts";

export interface Command {
  readonly usage: string;
  readonly help: string;
  /** What the console shows. A command that lets the program run returns at once; the stop comes as an event. */
  run(context: Context, rest: string): string | Promise<string>;
}

const count = (rest: string, otherwise: number): number => {
  if (rest === "") return otherwise;
  const value = Number(rest.replaceAll("_", ""));
  if (!Number.isSafeInteger(value) || value < 0) throw new RequestError(`"${rest}" is no number of instructions`);
  return value;
};

/** The address that an expression gives: where its memory is, or its value. */
function addressOf(context: Context, expression: string): number {
  if (expression === "") throw new RequestError("an address is missing");
  const { value, reference } = ask(expression, context.scope);
  return reference?.address !== undefined && !context.launched.target.symbols(context.cpu).address(expression)
    ? reference.address
    : bigToAddr(value);
}

const back: Command = {
  usage: "back [N]",
  help: "goes back N instructions (1)",
  run(context, rest) {
    const { target } = context.stopped;
    const to = Math.max(context.launched.history.start, target.machine.icount - count(rest, 1));
    goBack(context, "Going back", (control, history) => goToInstruction(control, history, to));
    return `back to instruction ${to}`;
  },
};

const go: Command = {
  usage: "go N|BOOKMARK",
  help: "goes to the instant before instruction number N, or to a bookmark",
  run(context, rest) {
    const to = context.bookmarks.get(rest) ?? count(rest, context.stopped.history.start);
    goBack(context, `Going to instruction ${to}`, (control, history) => goToInstruction(control, history, to));
    return `to instruction ${to}`;
  },
};

const bookmark: Command = {
  usage: "bookmark [NAME]",
  help: "names this instant for `go`; without a name, lists the bookmarks",
  run(context, rest) {
    const { icount } = context.stopped.target.machine;
    if (rest === "") {
      const all = [...context.bookmarks].map(([name, at]) => `${name}: instruction ${at}`);
      return all.length === 0 ? "there are no bookmarks" : all.join("\n");
    }
    context.bookmarks.set(rest, icount);
    return `${rest}: instruction ${icount}`;
  },
};

const until: Command = {
  usage: "until PLACE",
  help: "runs on to an address or label",
  run(context, rest) {
    const address = addressOf(context, rest);
    resume(context, async () => {
      const outcome = await context.launched.control.run({ addresses: [address] });
      return outcome === "reached" ? { reason: "goto" } : outcome;
    });
    return `until ${hexAddr(address)}`;
  },
};

const backUntil: Command = {
  usage: "back-until PLACE",
  help: "goes back to the last time that an address or label was about to run",
  run(context, rest) {
    const address = addressOf(context, rest);
    goBack(context, "Going back", (control, history) => backTo(control, history, [address]), { reason: "goto" });
    return `back until ${hexAddr(address)}`;
  },
};

const who: Command = {
  usage: "who EXPRESSION",
  help: "who last wrote this memory, changed this bit of the kernel, or changed this register",
  async run(context, rest) {
    if (rest === "")
      throw new RequestError("who needs a register, a kernel field or memory: who rsp, who TS_COMPAT, who dword [x]");
    const found = await lastWriterOf(context, rest);
    if (found === undefined) return `${rest} has not been written since instruction ${context.launched.history.start}`;
    return `${rest}: ${found.change} by ${found.by}, instruction ${found.icount} (go ${found.icount})`;
  },
};

const page: Command = {
  usage: "page ADDRESS",
  help: "the page walk of a linear address",
  run(context, rest) {
    const address = addressOf(context, rest);
    const { cpu } = context;
    const steps = pageWalk(cpu, address).map(
      ({ level, index, entryAddress, entry, flags }) =>
        `${level}[${index}] at ${entryAddress}: ${entry}  ${flags.join(", ")}`,
    );
    const physical = cpu.peekTranslate(address);
    const hidden = physical === undefined ? translate(cpu, address) : undefined;
    const beside = hidden === undefined ? "" : `; on the kernel's page tables physical ${hex(hidden)}`;
    const end = physical === undefined ? `not mapped${beside}` : `physical ${hex(physical)}`;
    return [`${hexAddr(address)}`, ...steps, end].join("\n");
  },
};

const table = (name: keyof typeof GATE_TABLES, help: string): Command => ({
  usage: `${name} [INDEX]`,
  help,
  run(context, rest) {
    const only = rest === "" ? undefined : Number(ask(rest, context.scope).value);
    return describeTable(context.stopped.target, context.cpu, name, only);
  },
});

const trace: Command = {
  usage: "trace on|off",
  help: "prints the kernel's timeline (entries, exits, exit work, signals) as it happens",
  run(context, rest) {
    if (rest !== "on" && rest !== "off") throw new RequestError("trace takes on or off");
    context.tracing = rest === "on";
    return `trace is ${rest}`;
  },
};

const inject: Command = {
  usage: "inject EVENT [at PLACE]",
  help: "nmi, irq, irq:VECTOR, mc, signal:NAME: before the next instruction, or where PLACE is reached; a new future begins",
  run(context, rest) {
    const [event = "", at] = rest.split(/\s+at\s+(.*)/s);
    const { kernel } = context.stopped.target;
    if (kernel === undefined) throw new RequestError("there is no kernel on a bare machine");
    const problem = kernel.injectionProblem(event);
    if (problem !== undefined) throw new RequestError(problem);
    if (at !== undefined) return injectAt(context, event, at);
    injectHere(context, event, context.cpu);
    return `${event} comes with the next instruction`;
  },
};

function injectHere(context: Context, event: string, cpu: Cpu): void {
  context.launched.target.kernel!.inject(cpu, event);
  context.beginFuture();
}

/** Runs on to the place, and makes it happen there. */
function injectAt(context: Context, event: string, at: string): string {
  const { target, control } = context.launched;
  const scopeOf = (cpu: Cpu) => expressionScope(target, cpu);
  const trigger = readTrigger(at, target.spaces, scopeOf);
  if (typeof trigger === "string") throw new RequestError(trigger);
  const goal = goalOf(control, trigger);
  if (goal === undefined)
    throw new RequestError("say where: at a label, #N or event NAME; a condition alone is for launch.json");
  resume(context, async () => {
    const outcome = await control.run(goal);
    if (outcome !== "reached") return outcome;
    injectHere(context, event, control.cpu);
    return { reason: "goto", text: `${event} comes with the next instruction` };
  });
  return `${event} at ${at}`;
}

const time: Command = {
  usage: "time",
  help: "how many instructions have run, and how far back history goes",
  run(context) {
    const { target, history } = context.stopped;
    return `instruction ${target.machine.icount} of ${history.latest}; history begins at ${history.start}`;
  },
};

const help: Command = {
  usage: "help",
  help: "this list",
  run: () => [...COMMANDS.values()].map(({ usage, help: text }) => `${usage.padEnd(30)} ${text}`).join("\n"),
};

export const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ["back", back],
  ["back-until", backUntil],
  ["bookmark", bookmark],
  ["gdt", table("gdt", "the global descriptor table, decoded")],
  ["go", go],
  ["help", help],
  ["idt", table("idt", "the interrupt descriptor table, decoded")],
  ["inject", inject],
  ["ldt", table("ldt", "the local descriptor table, decoded")],
  ["page", page],
  ["time", time],
  ["trace", trace],
  ["until", until],
  ["who", who],
]);
