/**
 * Lines whose operands are nearly right: an operand list that a form of the mnemonic takes, with one operand of another kind,
 * one more, one less, or two changed about; some are left as they are, and some have operands of any kind.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { REGISTERS } from "../../../src/asmlang/core/registers.ts";
import { type Form, formsNamed } from "../../../src/asmlang/encode/forms.ts";
import { resolveMnemonic } from "../../../src/asmlang/encode/mnemonics.ts";
import type { Bits } from "../../../src/asmlang/types.ts";
import type { Line, Syntax } from "../asm-encode/line.ts";
import { Random } from "../asm-encode/random.ts";
import { kindFor, operandKinds } from "./operands.ts";

export interface WrongOptions {
  readonly syntax: Syntax;
  readonly bits: Bits;
  readonly seed: number;
  /** Lines of each mnemonic. */
  readonly lines: number;
  /** Only mnemonics that match. */
  readonly only?: RegExp;
}

/** Mnemonics that the dialect's tool knows, one file a dialect. */
export function knownNames(syntax: Syntax): readonly string[] {
  const file = `${syntax === "nasm" ? "nasm" : "gas"}.txt`;
  return readFileSync(path.join(import.meta.dirname, file), "utf8")
    .split(/\s+/)
    .filter(Boolean);
}

const REGISTER_NAMES: ReadonlyMap<number, string> = new Map([...REGISTERS].map(([name, number]) => [number, name]));

class Writer {
  readonly #kinds: ReturnType<typeof operandKinds>;
  readonly #names: readonly string[];
  readonly #random: Random;
  readonly #options: WrongOptions;

  constructor(options: WrongOptions, random: Random) {
    this.#options = options;
    this.#random = random;
    this.#kinds = operandKinds(options.syntax, options.bits);
    this.#names = Object.keys(this.#kinds);
  }

  #anyKind(): string {
    return this.#random.pick(this.#names);
  }

  #write(kind: string): string {
    return this.#random.pick(this.#kinds[kind] ?? this.#kinds.imm!);
  }

  /** The operands as a form takes them, Intel order. */
  #fitting(form: Form): string[] {
    const sigil = this.#options.syntax === "att" ? "%" : "";
    const written = form.slots.filter((slot) => slot.string === undefined);
    return written.map((slot) => {
      const fixed = slot.only === 0 ? undefined : REGISTER_NAMES.get(slot.only);
      return fixed === undefined ? this.#write(kindFor(slot, form.memoryBytes, this.#random)) : sigil + fixed;
    });
  }

  #disturb(operands: string[]): void {
    const random = this.#random;
    const at = random.below(operands.length + 1);
    const other = this.#write(this.#anyKind());
    const way = random.below(10);
    if (way === 0) operands.splice(at, 0, other);
    else if (way === 1) operands.splice(at, 1);
    else if (way === 2) operands.reverse();
    else if (way < 9 && operands.length > 0) operands[random.below(operands.length)] = other;
  }

  line(mnemonic: string, forms: readonly Form[]): Line {
    const random = this.#random;
    const { syntax, bits } = this.#options;
    const form = forms.length > 0 && random.chance(0.95) ? random.pick(forms) : undefined;
    const operands = form
      ? this.#fitting(form)
      : Array.from({ length: random.below(4) }, () => this.#write(this.#anyKind()));
    if (form) this.#disturb(operands);
    if (syntax === "att") operands.reverse();
    return { syntax, bits, text: `${mnemonic} ${operands.join(", ")}`.trim() };
  }
}

/** Forms that the mnemonic may mean; those of other modes are among them. */
function formsOf(syntax: Syntax, mnemonic: string): Form[] {
  const dialect = syntax === "nasm" ? "nasm" : "gas";
  const queries = resolveMnemonic({ dialect, intelMnemonics: syntax === "intel", mnemonic });
  return queries.flatMap(({ names }) => names.flatMap(formsNamed));
}

export function wrongLines(options: WrongOptions): Line[] {
  const random = new Random(options.seed * 7919 + options.bits);
  const writer = new Writer(options, random);
  const names = knownNames(options.syntax).filter((name) => options.only?.test(name) ?? true);
  const lines = new Map<string, Line>();
  for (const name of names) {
    const forms = formsOf(options.syntax, name);
    for (let i = 0; i < options.lines; i++) {
      const line = writer.line(name, forms);
      lines.set(line.text, line);
    }
  }
  return [...lines.values()];
}
