/** What the assembler takes and gives: values only. It never throws on input; a result always comes with its diagnostics. */

export type Dialect = "gas" | "nasm";
export type Bits = 16 | 32 | 64;

export interface SourceText {
  /** Names the file in diagnostics and the line table. */
  readonly uri: string;
  readonly text: string;
}

/** Zero-based, end exclusive, columns in UTF-16 code units: as the language server protocol counts. */
export interface Range {
  readonly uri: string;
  readonly line: number;
  readonly column: number;
  readonly endLine: number;
  readonly endColumn: number;
}

export interface Diagnostic {
  readonly severity: "error" | "warning";
  readonly message: string;
  readonly range: Range;
  readonly related?: readonly { readonly message: string; readonly range: Range }[];
  readonly fix?: { readonly title: string; readonly range: Range; readonly text: string };
}

export interface AssembleOptions {
  /** "auto": by extension (.s .S gas, .asm .nasm nasm) or a first-line hint. */
  readonly dialect: Dialect | "auto";
  /** Mode of source that does not say; default 64. */
  readonly bits?: Bits;
  /** What it is assembled for, where a dialect asks; default: a flat binary if the source has an ORG, else an object. */
  readonly output?: "object" | "flat";
  /** Predefined symbols: constants in GNU sources, %define in NASM ones. */
  readonly defines?: Readonly<Record<string, string | number | bigint>>;
  /** Finds an included file. `from` is the including file's uri. undefined = not found. */
  readonly include?: (name: string, from: string) => SourceText | undefined;
  readonly includeBytes?: (name: string, from: string) => Uint8Array | undefined;
}

export interface Section {
  readonly name: string;
  readonly flags: {
    readonly alloc: boolean;
    readonly write: boolean;
    readonly exec: boolean;
    readonly nobits: boolean;
  };
  /** Power of two, at least 1. */
  readonly align: number;
  /** Empty for nobits. */
  readonly bytes: Uint8Array;
  /** Bytes, also for nobits. */
  readonly size: number;
  readonly relocations: readonly Relocation[];
  /** Fixed load address (NASM `org` with -f bin, or `vstart=`), if the source gives one. */
  readonly address?: bigint;
  /** ELF particulars that the source gives: section type ("note", "init_array", ...), entry size, flag letters. */
  readonly elf?: ElfParticulars;
  /** NASM's flat format: alignment that the source asked for, load address, and which section comes before. */
  readonly bin?: {
    readonly align: number | undefined;
    readonly start: bigint | undefined;
    readonly follows: string | undefined;
    readonly vfollows: string | undefined;
    /** Alignment of the address that the code sees, where the source gives one. */
    readonly valign?: number;
  };
}

export interface ElfParticulars {
  /** The name in the file, where several sections share it: then `name` tells them apart. */
  readonly name?: string;
  /** A word of `.section`'s, or a number. */
  readonly type?: string;
  readonly entrySize?: number;
  readonly flags?: string;
  /** Flags that the source gives as a number. */
  readonly flagBits?: number;
  readonly group?: SectionGroup;
  /** The section that this one's order follows (`o`); "" none. */
  readonly linkedTo?: string;
  readonly info?: number;
}

/** Sections that a linker keeps or drops together; of COMDAT groups with one signature it keeps one. */
export interface SectionGroup {
  readonly signature: string;
  readonly comdat: boolean;
}

export interface Relocation {
  /** Offset of the field in the section, and its width in bytes. */
  readonly offset: number;
  readonly size: 1 | 2 | 4 | 8;
  /** abs: S+A. pcrel: S+A-P. */
  readonly kind: "abs" | "pcrel";
  /** For a 4-byte abs field in 64-bit code: whether it is sign-extended (R_X86_64_32S) or zero-extended (R_X86_64_32). */
  readonly signed: boolean;
  /** One of ELF's particular relocations ("GOTPCREL", "PLT", "TPOFF"); then `kind` only says how the addend is meant. */
  readonly type?: string | undefined;
  /** A symbol of the table, a section of this result (its start), or "*ABS*" (0). */
  readonly symbol: string;
  readonly addend: bigint;
  readonly range: Range;
}

export interface SymbolInfo {
  readonly name: string;
  /** undefined = external; "*ABS*" = absolute value; "*COM*" = common, with its alignment as value. */
  readonly section: string | undefined;
  /** Offset in its section, or the absolute value. */
  readonly value: bigint;
  readonly binding: "local" | "global" | "weak";
  readonly type: "notype" | "func" | "object";
  readonly size: bigint;
  /** ELF only: a type or binding of its own beyond these, and who may see it. */
  readonly particular?: SymbolParticular;
  readonly visibility?: Visibility;
  readonly range?: Range;
}

export type SymbolParticular = "tls" | "ifunc" | "unique" | "large";
export type Visibility = "default" | "internal" | "hidden" | "protected";

/** One row of the line table: the bytes from `offset` on come from `range`'s first line. Sorted by (section, offset). */
export interface LineRow {
  readonly section: string;
  readonly offset: number;
  readonly uri: string;
  /** Zero-based. */
  readonly line: number;
  /** Mode these bytes were assembled for; undefined for data. */
  readonly bits: Bits | undefined;
  /** Lines of macros' bodies that gave these bytes, innermost first; `line` is that of the outermost use. */
  readonly bodies?: readonly LinePlace[];
}

export interface LinePlace {
  readonly uri: string;
  readonly line: number;
}

/** One row of the line table that ELF files carry: from this place on, that line of that file. */
export interface DebugRow {
  readonly section: string;
  readonly offset: number;
  /** URI, or a path that `.file` gave. */
  readonly file: string;
  /** One-based; column 0: not said. */
  readonly line: number;
  readonly column: number;
  /** A good place for a breakpoint. */
  readonly statement: boolean;
  readonly mark?: "basic_block" | "prologue_end" | "epilogue_begin";
}

export interface AssembleResult {
  readonly dialect: Dialect;
  readonly sections: readonly Section[];
  readonly symbols: readonly SymbolInfo[];
  readonly lines: readonly LineRow[];
  /** For debuggers of ELF files: the source and its rows as the dialect's own tool writes them. */
  readonly debug?: { readonly uri: string; readonly rows: readonly DebugRow[] };
  readonly diagnostics: readonly Diagnostic[];
  /** Mode at the entry point. */
  readonly bits: Bits;
}

/** Sections placed at addresses and relocated: what is loaded, or written as an executable. Made by link(). */
export interface Image {
  readonly segments: readonly {
    readonly address: bigint;
    readonly bytes: Uint8Array;
    readonly memorySize: number;
    readonly flags: { readonly write: boolean; readonly exec: boolean };
    readonly section: string;
  }[];
  readonly symbols: ReadonlyMap<string, bigint>;
  /** The same with what a symbol table says of them; local symbols may repeat a name. */
  readonly symbolTable?: readonly ImageSymbol[];
  /** As `ld` decides: unless every part has a .note.GNU-stack section. */
  readonly execStack?: boolean;
  readonly lines: readonly {
    readonly address: bigint;
    readonly uri: string;
    readonly line: number;
    readonly bits: Bits | undefined;
    readonly bodies?: readonly LinePlace[];
  }[];
  /** The results' debug rows, with addresses. */
  readonly debug?: {
    readonly uri: string;
    readonly rows: readonly (Omit<DebugRow, "section" | "offset"> & { readonly address: bigint })[];
  };
  readonly entry: bigint;
  readonly bits: Bits;
  readonly diagnostics: readonly Diagnostic[];
}

export interface ImageSymbol {
  readonly name: string;
  readonly address: bigint;
  readonly size: bigint;
  readonly type: SymbolInfo["type"];
  readonly binding: SymbolInfo["binding"];
  readonly absolute: boolean;
}
