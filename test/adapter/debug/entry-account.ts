/**
 * The account of the kernels' entry code: each instruction that a line of src/emu/kernel/entry/*.S, by way of the macros that it uses, gives in
 * any of the kernels that were booted, and whether the call stack at it has been compared with a shadow stack.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { evaluate } from "../../../src/adapter/debug/expression.ts";
import { expressionScope } from "../../../src/adapter/debug/scope.ts";
import { callStack } from "../../../src/adapter/debug/stack.ts";
import type { Target } from "../../../src/adapter/debug/target.ts";
import { GPR, SEG } from "../../../src/emu/cpu/layout.ts";
import type { Run, Typed } from "./entry-runs.ts";
import { MovedOn } from "./moved-on.ts";
import { ShadowStack } from "./shadow-stack.ts";

const ENTRY = path.join(import.meta.dirname, "../../../src/emu/kernel/entry");

interface Place {
  readonly uri: string;
  readonly line: number;
}

const sources = new Map<string, readonly string[]>();
function linesOf(file: string): readonly string[] {
  const known = sources.get(file) ?? readFileSync(path.join(ENTRY, file), "utf8").split("\n");
  sources.set(file, known);
  return known;
}

const text = ({ uri, line }: Place): string =>
  linesOf(path.basename(uri))[line]!.replace(/\s#.*/, "").trim().replace(/\s+/g, " ");

/** `entry_64.S ret_from_fork: call schedule_tail`: the last label before the line, the line, and that of each macro's body. */
function describe({ uri, line }: Place, bodies: readonly Place[]): string {
  const file = path.basename(uri);
  const label = linesOf(file)
    .slice(0, line + 1)
    .flatMap((at) => /^(?:(?:ENTRY|LABEL)\s+)?([A-Za-z_]\w*)(?::|$)/.exec(at)?.[1] ?? [])
    .at(-1);
  return `${file} ${label}: ${[{ uri, line }, ...bodies.toReversed()].map(text).join(" > ")}`;
}

/** Types what there is to type where the CPU stands. */
function typing(target: Target, typed: Typed): () => void {
  const { currentCpu: cpu } = target.machine;
  const symbols = target.symbols(cpu);
  const waiting = typed.map(([place, ...texts]) => ({ at: symbols.address(place), texts }));
  return () => {
    if (waiting[0]?.at !== cpu.linearIp) return;
    for (const text of waiting.shift()!.texts) evaluate(text, expressionScope(target, cpu));
  };
}

export class EntryAccount {
  /** What each is, by where it is from. */
  readonly #known = new Map<string, string>();
  readonly #described = new Map<string, number>();
  readonly #compared = new Set<string>();

  /** All entry code of the kernel that has been booted. */
  add(target: Target): void {
    const symbols = target.symbols(target.machine.currentCpu);
    const { index } = symbols.parts.find(({ key }) => key === "kernel")!;
    const kernel = index.all.map(({ address }) => address).filter((address) => address < 0 || address > 0xc000_0000);
    for (let at = Math.min(...kernel); at <= Math.max(...kernel); ) {
      this.#instructionAt(target, at);
      at = symbols.lineAt(at)?.end ?? at + 1;
    }
  }

  get size(): number {
    return this.#known.size;
  }

  /** What has never been compared. */
  get missing(): string[] {
    return [...this.#known].flatMap(([at, what]) => (this.#compared.has(at) ? [] : [what]));
  }

  /** What has. */
  get met(): string[] {
    return [...this.#known].flatMap(([at, what]) => (this.#compared.has(at) ? [what] : []));
  }

  /**
   * Steps through a program, and compares at each instruction of entry code that it comes to for the first time.
   * @returns where call stack and shadow stack differ.
   */
  walk(target: Target, steps: number, { breakStackAt, typed = [] }: Pick<Run, "breakStackAt" | "typed">): string[] {
    const { machine } = target;
    const cpu = machine.currentCpu;
    this.add(target);
    while (cpu.cpl < 3) if (target.run(1).kind === "exit") return [];
    const shadow = new ShadowStack(target);
    shadow.begin();
    const type = typing(target, typed);
    type();
    const seen = new Set<string>();
    const wrong: string[] = [];
    const moved = new MovedOn();
    const broken = breakStackAt === undefined ? undefined : target.symbols(cpu).address(breakStackAt);
    for (let step = 0; step < steps && shadow.step().kind === "budget"; step++) {
      type();
      if (cpu.linearIp === broken) {
        cpu.setGpr(GPR.RSP, 0n);
        shadow.loseStack();
      }
      if (shadow.switching) moved.forget();
      wrong.push(...moved.settle(cpu).map(({ text }) => text));
      if (cpu.cpl === 3) continue;
      const where = `${cpu.linearIp} ${cpu.selector(SEG.SS)} ${shadow.entries}`;
      if (seen.has(where)) continue;
      seen.add(where);
      const place = this.#instructionAt(target, cpu.linearIp);
      if (place === undefined) continue;
      this.#compared.add(place);
      const frames = callStack(target, cpu);
      const actual = shadow.told(frames);
      if (shadow.agrees(actual)) continue;
      const text = `${this.#known.get(place)}: ${frames.map(({ name }) => name)}, expected ${shadow.callers}`;
      const to = shadow.movedOn(actual);
      if (to === undefined) wrong.push(text);
      else moved.expect({ place, text, to, frames });
    }
    return wrong;
  }

  /** Behind a label a line may be there twice. */
  #unlike(what: string): string {
    const same = this.#described.get(what) ?? 0;
    this.#described.set(what, same + 1);
    return same === 0 ? what : `${what} (${same + 1})`;
  }

  /** Where the instruction is from, if it is one of entry code. */
  #instructionAt(target: Target, address: number): string | undefined {
    const span = target.symbols(target.machine.currentCpu).lineAt(address);
    if (span?.bits === undefined || !/\/entry\/[^/]*\.S$/.test(span.uri)) return undefined;
    const bodies = span.bodies ?? [];
    const at = [span, ...bodies].map(({ uri, line }) => `${path.basename(uri)}:${line}`).join(" ");
    if (!this.#known.has(at)) this.#known.set(at, this.#unlike(describe(span, bodies)));
    return at;
  }
}
