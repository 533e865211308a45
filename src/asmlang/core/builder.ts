/** The object under construction: sections, symbols, and where the next byte goes. Both dialects drive it. */
import type { AssembleResult, Bits, Dialect, LineRow, Section, SymbolInfo } from "../types.ts";
import type { Budget } from "./budget.ts";
import { littleEndian } from "./buffer.ts";
import { debugRows, type Location } from "./debug-rows.ts";
import type { Reporter } from "./diagnostics.ts";
import { type EvalContext, type Expr, evaluate, evaluateConstant } from "./expr.ts";
import { AlignFragment, BytesFragment, type Fragment, OrgFragment, type PendingFixup, type Row } from "./fragment.ts";
import { Layout, type LayoutPolicy } from "./layout.ts";
import { bodyLines, type Line, rangeOf, shownLine } from "./source.ts";
import { AsmSymbol, isPlace, SectionBuilder, type SectionFlags } from "./symbols.ts";
import { SectionWriter, type WritePolicy } from "./writer.ts";

const NO_FIXUPS: readonly PendingFixup[] = [];

export class ObjectBuilder {
  readonly sections = new Map<string, SectionBuilder>();
  readonly symbols = new Map<string, AsmSymbol>();
  readonly reporter: Reporter;
  readonly budget: Budget;
  /** All fragments in source order. */
  readonly fragments: Fragment[] = [];
  /** Where `.loc` said that instructions come from. */
  readonly locations: Location[] = [];
  section!: SectionBuilder;
  bits: Bits;

  constructor(reporter: Reporter, budget: Budget, bits: Bits) {
    this.reporter = reporter;
    this.budget = budget;
    this.bits = bits;
  }

  getSection(name: string, flags: SectionFlags): SectionBuilder {
    let section = this.sections.get(name);
    if (!section) {
      section = new SectionBuilder(name, { ...flags });
      this.sections.set(name, section);
    }
    return section;
  }

  /** Part of a section that follows all parts with lower numbers. */
  subsection(section: SectionBuilder, index: number): SectionBuilder {
    const parent = section.parent ?? section;
    if (index === 0) return parent;
    let part = parent.subsections.get(index);
    if (!part) {
      part = new SectionBuilder(parent.name, parent.flags);
      part.parent = parent;
      part.elf = parent.elf;
      parent.subsections.set(index, part);
    }
    return part;
  }

  /** Appends subsections to their sections, by number. */
  #joinSubsections(): void {
    let joined = false;
    for (const section of this.sections.values()) {
      for (const [, part] of [...section.subsections].sort(([a], [b]) => a - b)) {
        joined = true;
        section.align = Math.max(section.align, part.align);
        for (const relocation of part.relocations) section.relocations.push(relocation);
        for (const fragment of part.fragments) {
          fragment.section = section;
          fragment.index = section.fragments.push(fragment) - 1;
          fragment.region += section.regions;
        }
        section.regions += part.regions;
      }
    }
    if (!joined) return;
    this.fragments.length = 0;
    for (const section of this.sections.values())
      for (const fragment of section.fragments) this.fragments.push(fragment);
  }

  symbol(name: string): AsmSymbol {
    let symbol = this.symbols.get(name);
    if (!symbol) {
      symbol = new AsmSymbol(name);
      this.symbols.set(name, symbol);
    }
    return symbol;
  }

  /** The symbol has another name from now on. */
  rename(symbol: AsmSymbol, name: string): void {
    this.symbols.delete(symbol.name);
    symbol.name = name;
    this.symbols.set(name, symbol);
  }

  /** A symbol of the same name that is defined anew; what has named the old one keeps it. */
  replace(symbol: AsmSymbol): AsmSymbol {
    const fresh = new AsmSymbol(symbol.name);
    const { binding, visibility, particular, type, size, firstUse } = symbol;
    Object.assign(fresh, { binding, visibility, particular, type, size, firstUse });
    this.symbols.set(symbol.name, fresh);
    return fresh;
  }

  add<T extends Fragment>(fragment: T): T {
    const { fragments, flags, absolute } = fragment.section;
    const last = fragments.at(-1);
    if (last) fragment.follow(last);
    if (!flags.nobits && !absolute) this.#pay(fragment.fixedSize() ?? 0, fragment.line);
    fragment.index = fragments.length;
    fragments.push(fragment);
    fragment.region = fragment.section.regions;
    if (fragment instanceof AlignFragment || fragment instanceof OrgFragment) fragment.section.regions++;
    this.fragments.push(fragment);
    return fragment;
  }

  #pay(bytes: number, line: Line): void {
    if (bytes > 0) this.budget.chargeLine("bytes", bytes, line);
  }

  /** The fragment that takes plain bytes now. */
  open(line: Line): BytesFragment {
    const last = this.section.fragments.at(-1);
    return last instanceof BytesFragment ? last : this.add(new BytesFragment(this.section, line));
  }

  /** Defines a label at the present place. */
  place(symbol: AsmSymbol, line: Line): void {
    const fragment = this.open(line);
    symbol.definition = { kind: "label", fragment, offset: fragment.bytes.length };
  }

  /** An unnamed label at the present place. */
  here(line: Line): AsmSymbol {
    const symbol = new AsmSymbol("");
    symbol.temporary = true;
    this.place(symbol, line);
    return symbol;
  }

  /** Notes that the bytes from here on come from `line`. */
  row(fragment: Fragment, offset: number, line: Line, bits: Bits | undefined): void {
    const last = fragment.rows.at(-1);
    if (last && last.line === line && last.bits === bits && last.offset !== offset && bits === undefined) return;
    // Most fragments have one row: a list that is made for it takes less room than one that is made to grow.
    if (last) fragment.rows.push({ offset, line, bits });
    else fragment.rows = [{ offset, line, bits }];
  }

  /** The fixups are the fragment's from now on. */
  bytes(bytes: ArrayLike<number>, line: Line, fixups: readonly PendingFixup[] = NO_FIXUPS, bits?: Bits): void {
    const fragment = this.open(line);
    const at = fragment.bytes.length;
    this.#pay(bytes.length, line);
    if (fixups.length > 0) this.budget.chargeLine("fields", fixups.length, line);
    this.row(fragment, at, line, bits);
    fragment.bytes.push(bytes);
    for (const fixup of fixups) {
      fixup.offset += at;
      fragment.fixups.push(fixup);
    }
  }

  /** A data item: its value now if it is known, else a field for later. */
  value(expr: Expr, size: number, line: Line, modifier?: string): void {
    const known = expr.op === "number" && modifier === undefined ? expr.value : undefined;
    if (known !== undefined) this.bytes(littleEndian(size, known), line);
    else
      this.bytes(new Uint8Array(size), line, [
        { offset: 0, size, kind: "abs", signed: false, addend: 0, expr, code: false, modifier },
      ]);
  }

  /** Evaluation before layout: only distances that nothing can change are known. */
  now(undefinedIsExternal: boolean): EvalContext {
    return {
      budget: this.budget,
      final: false,
      distance: fixedDistance,
      absolute: fixedAbsolute,
      unresolved: () => (undefinedIsExternal ? "external" : undefined),
    };
  }

  /** Lays everything out and makes the result's parts. */
  finish(
    dialect: Dialect,
    uri: string,
    layoutPolicy: LayoutPolicy,
    policy: WritePolicy,
    entryBits: Bits,
    settled?: (context: EvalContext) => void,
  ): AssembleResult {
    this.#joinSubsections();
    const layout = new Layout(layoutPolicy, this.budget);
    const sections = [...this.sections.values()];
    const absolutes = new Set(this.fragments.map((fragment) => fragment.section));
    layout.run(this.fragments, [...new Set([...sections, ...absolutes])], this.reporter);
    if (settled && this.fragments[0]) settled(layout.context(false));
    const made = sections.map((section) => this.#writeSection(section, layout, policy));
    const symbols = this.#symbolTable(layout);
    const lines = once(() => this.#lineTable());
    const debug = once(() => ({ uri, rows: debugRows(this, dialect, layout) }));
    const { diagnostics } = this.reporter;
    return {
      dialect,
      sections: made,
      symbols,
      bits: entryBits,
      diagnostics,
      // Made when asked for: whoever wants diagnostics only has no use for them.
      get lines() {
        return lines();
      },
      get debug() {
        return debug();
      },
    };
  }

  #writeSection(section: SectionBuilder, layout: Layout, policy: WritePolicy): Section {
    const writer = new SectionWriter(section, layout, policy, this.reporter);
    const write = (fragment: Fragment) => fragment.write(writer);
    for (const fragment of section.fragments) this.reporter.guard(write, fragment);
    for (const { offset, fixup } of section.relocations) this.reporter.guard(() => writer.relocationAt(offset, fixup));
    const address = (expr: Expr | undefined) => {
      let value: bigint | undefined;
      if (expr) this.reporter.guard(() => (value = evaluateConstant(expr, layout.context(true))));
      return value;
    };
    const vstart = address(section.vstart);
    const start = address(section.start);
    return {
      name: section.name,
      flags: section.flags,
      align: section.align,
      bytes: writer.bytes,
      size: section.size,
      relocations: writer.relocations,
      ...(vstart !== undefined && { address: vstart }),
      elf: section.elf,
      bin: {
        align: section.binAlign,
        start,
        follows: section.follows,
        vfollows: section.vfollows,
        ...(section.virtualAlign && { valign: section.virtualAlign }),
      },
    };
  }

  #symbolTable(layout: Layout): SymbolInfo[] {
    const table: SymbolInfo[] = [];
    const enter = (symbol: AsmSymbol) => {
      const info = this.#symbolInfo(symbol, layout);
      if (info) table.push(info);
    };
    for (const symbol of this.symbols.values()) if (!symbol.temporary) this.reporter.guard(enter, symbol);
    return table;
  }

  #symbolInfo(symbol: AsmSymbol, layout: Layout): SymbolInfo | undefined {
    const { definition } = symbol;
    const context = layout.context(true);
    const place = this.#place(symbol, layout, context);
    if (!place && (symbol.omittedWhenExternal || (!symbol.firstUse && symbol.binding !== "global"))) return undefined;
    const size = definition?.kind === "common" ? definition.size : symbol.size;
    const span = symbol.span ?? symbol.firstUse;
    return {
      name: symbol.name,
      section: place?.section,
      value: definition?.kind === "common" ? definition.align : (place?.value ?? 0n),
      binding: !place && !definition && symbol.binding === "local" ? "global" : symbol.binding,
      type: symbol.type,
      size: size ? (evaluateConstant(size, context) ?? 0n) : 0n,
      ...(symbol.visibility !== "default" && { visibility: symbol.visibility }),
      ...(symbol.particular && { particular: symbol.particular }),
      ...(span && { range: rangeOf(span) }),
    };
  }

  #place(symbol: AsmSymbol, layout: Layout, context: EvalContext): { section: string; value: bigint } | undefined {
    const { definition } = symbol;
    if (!definition) return undefined;
    if (definition.kind === "common") return { section: "*COM*", value: 0n };
    if (isPlace(symbol)) return { section: symbol.section!.name, value: BigInt(layout.offsetOf(symbol)) };
    const value =
      definition.kind === "equate"
        ? evaluate(definition.expr, context)
        : evaluate({ op: "symbol", symbol, span: symbol.span! }, context);
    if (!value) return undefined;
    const [term] = value.terms;
    if (!term) return { section: "*ABS*", value: value.constant };
    const section = term.symbol.section;
    if (value.terms.length > 1 || !section) return undefined;
    return { section: section.name, value: value.constant + BigInt(layout.offsetOf(term.symbol)) };
  }

  #lineTable(): LineRow[] {
    const rows: LineRow[] = [];
    for (const section of this.sections.values())
      for (const fragment of section.fragments)
        for (const row of fragment.rows) rows.push(this.#lineRow(section.name, fragment.offset + row.offset, row));
    return rows;
  }

  #lineRow(section: string, offset: number, { line: at, bits }: Row): LineRow {
    const { uri, line } = shownLine(at);
    const bodies = at.call ? bodyLines(at) : [];
    return { section, offset, uri, line, bits, ...(bodies.length > 0 && { bodies }) };
  }
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

/** Value of a label of an absolute section that starts at a known number. */
function fixedAbsolute({ definition }: AsmSymbol): bigint | undefined {
  if (definition?.kind !== "label") return undefined;
  const { section } = definition.fragment;
  const start = section.absoluteStart;
  const first = section.fragments[0]?.start;
  if (start?.op !== "number" || !first) return undefined;
  const label = new AsmSymbol("");
  label.definition = definition;
  const distance = fixedDistance(label, first);
  return distance === undefined ? undefined : start.value + distance;
}

/** Distance of two labels of one section with only fragments of fixed size between them. */
export function fixedDistance(a: AsmSymbol, b: AsmSymbol): bigint | undefined {
  if (a.definition?.kind !== "label" || b.definition?.kind !== "label") return undefined;
  const [x, y] = [a.definition, b.definition];
  if (x.fragment.section !== y.fragment.section || x.fragment.loose !== y.fragment.loose) return undefined;
  return BigInt(x.fragment.known + x.offset - y.fragment.known - y.offset);
}
