/**
 * Statements that mean the same wherever they stand: no symbol, no place, no warning in them, only bytes. What they came to
 * is kept from one run to the next, by the dialect's state and the text, so that an edit costs what it changes.
 */
import type { ObjectBuilder } from "./builder.ts";
import { BytesFragment, type Fragment } from "./fragment.ts";
import type { Line } from "./source.ts";

const MAX_ENTRIES = 50_000;

export interface KnownStatement {
  readonly bytes: Uint8Array;
  /** Instructions, not data. */
  readonly code: boolean;
  /** Words that must not have become macros since. */
  readonly words: readonly string[];
}

export class StatementCache {
  readonly #states = new Map<number, Map<string, KnownStatement>>();
  #entries = 0;

  find(state: number, text: string): KnownStatement | undefined {
    return this.#states.get(state)?.get(text);
  }

  keep(state: number, text: string, known: KnownStatement): void {
    if (++this.#entries > MAX_ENTRIES) {
      this.#states.clear();
      this.#entries = 1;
    }
    let texts = this.#states.get(state);
    if (!texts) this.#states.set(state, (texts = new Map()));
    texts.set(ownText(text), { ...known, words: known.words.map(ownText) });
  }
}

/** The text by itself: a part of a source that is kept would keep the whole source. */
export const ownText = (text: string): string => [...text].join("");

export function replay(known: KnownStatement, builder: ObjectBuilder, line: Line): void {
  builder.bytes(known.bytes, line, [], known.code ? builder.bits : undefined);
}

/** Watches one statement: `noted` says what it came to, if that was bytes at the end of the section and nothing else. */
export class StatementWatch {
  readonly #builder: ObjectBuilder;
  readonly #section: ObjectBuilder["section"];
  readonly #last: Fragment | undefined;
  readonly #bytes: number;
  readonly #rows: number;
  readonly #fixups: number;
  readonly #symbols: number;
  readonly #problems: number;

  constructor(builder: ObjectBuilder) {
    this.#builder = builder;
    this.#section = builder.section;
    this.#last = builder.section.fragments.at(-1);
    const open = this.#last instanceof BytesFragment ? this.#last : undefined;
    this.#bytes = open?.bytes.length ?? 0;
    this.#rows = open?.rows.length ?? 0;
    this.#fixups = open?.fixups.length ?? 0;
    this.#symbols = builder.symbols.size;
    this.#problems = builder.reporter.reported;
  }

  noted(words: readonly string[]): KnownStatement | undefined {
    const { section, symbols, reporter } = this.#builder;
    const last = section.fragments.at(-1);
    const quiet = symbols.size === this.#symbols && reporter.reported === this.#problems;
    if (section !== this.#section || !quiet || !(last instanceof BytesFragment)) return undefined;
    const fresh = last !== this.#last;
    if (fresh && (this.#last instanceof BytesFragment || section.fragments.at(-2) !== this.#last)) return undefined;
    const { rows } = last;
    if (rows.length !== this.#rows + 1 || last.fixups.length !== this.#fixups) return undefined;
    const bytes = last.bytes.view().slice(this.#bytes);
    return bytes.length === 0 ? undefined : { bytes, code: rows.at(-1)!.bits !== undefined, words };
  }
}
