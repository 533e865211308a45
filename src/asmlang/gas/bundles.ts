/**
 * Bundles: `.bundle_align_mode n` has no instruction cross a multiple of 2^n bytes, and none of those between `.bundle_lock` and
 * `.bundle_unlock` be apart from the others. What would cross has one-byte NOPs in front of it.
 */
import { SourceError } from "../core/diagnostics.ts";
import { Fragment } from "../core/fragment.ts";
import { BranchFragment } from "../core/instruction.ts";
import type { Layout } from "../core/layout.ts";
import { type Line, type Span, wholeLine } from "../core/source.ts";
import type { AsmSymbol, SectionBuilder } from "../core/symbols.ts";
import type { SectionWriter } from "../core/writer.ts";
import type { GasAssembler } from "./assembler.ts";
import type { Directive } from "./directives.ts";

const NOP = Uint8Array.of(0x90);
/** Larger ones would not fit into a section. */
const MAX_POWER = 20n;

/** What is in front of instructions that stay together. */
class BundlePad extends Fragment {
  readonly #bundle: number;
  /** Where they begin, and where they end. */
  #from: AsmSymbol | undefined;
  #to: AsmSymbol | undefined;
  /** Branches among them: `as` makes room for their long forms. */
  #branches: readonly BranchFragment[] = [];

  constructor(section: SectionBuilder, line: Line, bundle: number) {
    super(section, line);
    this.#bundle = bundle;
  }

  begin(at: AsmSymbol): void {
    this.#from = at;
  }
  end(at: AsmSymbol): void {
    this.#to = at;
    const since = this.section.fragments.slice(this.index + 1);
    this.#branches = since.filter((fragment) => fragment instanceof BranchFragment);
  }

  measure(layout: Layout): number {
    if (!this.#from || !this.#to) return 0;
    const growth = this.#branches.reduce((sum, { long, size }) => sum + long.bytes.length - size, 0);
    const length = layout.offsetOf(this.#to) - layout.offsetOf(this.#from) + growth;
    const bundle = this.#bundle;
    if (layout.final && length > bundle)
      throw new SourceError(
        wholeLine(this.line),
        `this takes ${length} bytes, more than the ${bundle} of a bundle ('.bundle_align_mode')`,
      );
    const within = this.offset % bundle;
    return within + length > bundle ? bundle - within : 0;
  }

  write(out: SectionWriter): void {
    out.repeat(this, NOP, this.size);
  }
}

const alignMode: Directive = (assembler, cursor) => {
  const start = cursor.skipSpace().at;
  const power = assembler.constant(cursor, "the power of two");
  assembler.bundles.setSize(power, cursor.span(start));
};

export const BUNDLES: Readonly<Record<string, Directive>> = {
  ".bundle_align_mode": alignMode,
  ".bundle_lock": ({ bundles }, cursor) => bundles.lock(wholeLine(cursor.line)),
  ".bundle_unlock": ({ bundles }, cursor) => bundles.unlock(wholeLine(cursor.line)),
};

export class Bundles {
  readonly #assembler: GasAssembler;
  /** In bytes; 0: there are none. */
  #size = 0;
  /** What is locked, where, and how many locks deep. */
  #locked: { readonly pad: BundlePad; readonly span: Span; depth: number } | undefined;

  constructor(assembler: GasAssembler) {
    this.#assembler = assembler;
  }

  get active(): boolean {
    return this.#size > 0;
  }

  setSize(power: bigint, span: Span): void {
    if (this.#locked) throw new SourceError(span, "'.bundle_align_mode' cannot change inside '.bundle_lock'");
    if (power < 0n || power > MAX_POWER)
      throw new SourceError(span, `'.bundle_align_mode' takes a power of two from 0 to ${MAX_POWER}`);
    this.#size = power === 0n ? 0 : 2 ** Number(power);
  }

  lock(span: Span): void {
    if (!this.active) throw new SourceError(span, "'.bundle_lock' means nothing without '.bundle_align_mode'");
    if (this.#locked) this.#locked.depth++;
    else this.#locked = { pad: this.#open(span.line), span, depth: 1 };
  }

  unlock(span: Span): void {
    if (!this.#locked) throw new SourceError(span, "'.bundle_unlock' without '.bundle_lock'");
    if (--this.#locked.depth > 0) return;
    const { pad } = this.#locked;
    if (pad.section === this.#assembler.builder.section) pad.end(this.#assembler.builder.here(span.line));
    this.#locked = undefined;
  }

  /** Does an instruction, which stays whole, or with those that are locked with it. */
  instruction(line: Line, act: () => void): void {
    if (this.#locked && this.#locked.pad.section !== this.#assembler.builder.section)
      throw new SourceError(wholeLine(line), "the section cannot change inside '.bundle_lock'");
    const pad = this.#locked?.pad ?? this.#open(line);
    act();
    if (!this.#locked) pad.end(this.#assembler.builder.here(line));
  }

  #open(line: Line): BundlePad {
    const { builder } = this.#assembler;
    const { section } = builder;
    section.align = Math.max(section.align, this.#size);
    const pad = builder.add(new BundlePad(section, line, this.#size));
    pad.begin(builder.here(line));
    return pad;
  }

  finish(): void {
    if (this.#locked) this.#assembler.reporter.error(this.#locked.span, "'.bundle_lock' without '.bundle_unlock'");
  }
}
