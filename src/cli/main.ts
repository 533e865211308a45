/** The `ringside` command. Each subcommand is a file; this one finds it and turns every failure into one line and a status. */
import packageJson from "../../package.json" with { type: "json" };
import { allocateAhead } from "../emu/cpu/memory.ts";
import { USAGE, UsageError } from "./usage.ts";

type Command = (args: readonly string[]) => Promise<number> | number;

/** Loaded when asked for, so that `--version` and the language server start at once. */
const COMMANDS: Readonly<Record<string, () => Promise<Command>>> = {
  run: async () => (await import("./run.ts")).run,
  asm: async () => (await import("./asm.ts")).asm,
  disasm: async () => (await import("./disasm.ts")).disasm,
  dap: async () => (await import("./dap.ts")).dap,
  state: async () => (await import("./state.ts")).state,
  lsp: async () => (await import("./lsp.ts")).lsp,
  scenario: async () => (await import("./scenario.ts")).scenario,
  designs: async () => (await import("./designs.ts")).designs,
};

/** Those that run a system. */
const RUNNING: ReadonlySet<string> = new Set(["run", "dap", "state", "scenario"]);

async function main([name, ...args]: readonly string[]): Promise<number> {
  if (name === "--version" || name === "-V") return print(packageJson.version);
  if (name === "--help" || name === "-h" || name === "help") return print(USAGE);
  if (name === undefined) throw new UsageError(`what to do?\n${USAGE}`);
  const load = COMMANDS[name];
  if (load === undefined)
    throw new UsageError(`no command "${name}": it is one of ${Object.keys(COMMANDS).join(", ")}`);
  if (asksForHelp(args)) return print(USAGE);
  if (RUNNING.has(name)) allocateAhead();
  return (await load())(args);
}

/** What stands behind "--" is the guest's. */
function asksForHelp(args: readonly string[]): boolean {
  const end = args.indexOf("--");
  const own = end < 0 ? args : args.slice(0, end);
  return own.includes("--help") || own.includes("-h");
}

function print(text: string): number {
  process.stdout.write(`${text}\n`);
  return 0;
}

main(process.argv.slice(2)).then(
  (status) => {
    process.exitCode = status;
  },
  (error: unknown) => {
    const known = error instanceof UsageError;
    process.stderr.write(
      known ? `ringside: ${error.message}\n` : `ringside: a bug in ringside: ${(error as Error)?.stack ?? error}\n`,
    );
    process.exitCode = known ? error.status : 70;
  },
);
