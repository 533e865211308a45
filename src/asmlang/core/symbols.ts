/** Symbols and the sections that they live in, while the object is being built. */
import type { SectionGroup, SymbolParticular, Visibility } from "../types.ts";
import { ByteBuffer } from "./buffer.ts";
import type { Expr } from "./expr.ts";
import type { Fragment, PendingFixup } from "./fragment.ts";
import type { Span } from "./source.ts";

export type Definition =
  | { readonly kind: "label"; readonly fragment: Fragment; readonly offset: number }
  | { readonly kind: "equate"; readonly expr: Expr }
  | { readonly kind: "common"; readonly size: Expr; readonly align: bigint };

export class AsmSymbol {
  name: string;
  definition: Definition | undefined;
  binding: "local" | "global" | "weak" = "local";
  visibility: Visibility = "default";
  particular: SymbolParticular | undefined;
  type: "notype" | "func" | "object" = "notype";
  size: Expr | undefined;
  /** First definition, or first mention. */
  span: Span | undefined;
  /** First use: where an undefined symbol is reported. */
  firstUse: Span | undefined;
  /** Declared extern, or undefined symbols are external in this dialect. */
  external = false;
  /** Not in the symbol table: GNU .L names, numeric labels, `.`. */
  temporary = false;
  /** One that is set to an external symbol's place is not in the table either. */
  omittedWhenExternal = false;
  /** Being evaluated: finds definitions that use themselves. */
  busy = false;

  constructor(name: string) {
    this.name = name;
  }

  get section(): SectionBuilder | undefined {
    return this.definition?.kind === "label" ? this.definition.fragment.section : undefined;
  }
}

/** Is it a label whose address is not just a number? */
export const isPlace = ({ definition }: AsmSymbol): boolean =>
  definition?.kind === "label" && !definition.fragment.section.absolute;

export interface SectionFlags {
  alloc: boolean;
  write: boolean;
  exec: boolean;
  nobits: boolean;
}

export class SectionBuilder {
  readonly name: string;
  flags: SectionFlags;
  align = 1;
  /** NASM's bin format: alignment that the source asked for, and where the section goes. */
  binAlign: number | undefined;
  virtualAlign: number | undefined;
  start: Expr | undefined;
  vstart: Expr | undefined;
  follows: string | undefined;
  vfollows: string | undefined;
  readonly fragments: Fragment[] = [];
  /** What its fragments of plain bytes hold. */
  readonly bytes = new ByteBuffer();
  /** Labels here are plain numbers from `absoluteStart` on (NASM `absolute`, `struc`). */
  absolute = false;
  absoluteStart: Expr | undefined;
  /** Alignments and `.org`s so far. */
  regions = 0;
  /** Offset of the next byte in the layout pass under way; the size when it is done. */
  size = 0;
  /** Value of `absoluteStart` in the layout pass under way. */
  base = 0n;
  /** What `.reloc` asks for, by offset in the section. */
  readonly relocations: { readonly offset: Expr; readonly fixup: PendingFixup }[] = [];
  /** GNU subsections with other numbers than 0, which follow this one in the end. */
  readonly subsections = new Map<number, SectionBuilder>();
  /** The section that this is a subsection of. */
  parent: SectionBuilder | undefined;
  /** What ELF wants to know of it, where the source says so. */
  elf: {
    name?: string;
    type?: string;
    entrySize?: number;
    flags?: string;
    flagBits?: number;
    group?: SectionGroup;
    linkedTo?: string;
    info?: number;
  } = {};

  constructor(name: string, flags: SectionFlags) {
    this.name = name;
    this.flags = flags;
  }
}
