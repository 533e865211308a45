/**
 * What statements came to, kept from one run to the next by the dialect's state and the text, so that an edit costs what it
 * changes.
 */
import type { ObjectBuilder } from "./builder.ts";
import type { EvalContext } from "./expr.ts";
import { BytesFragment, type Fragment } from "./fragment.ts";
import { Detaching, type KnownStatement, NOTHING } from "./known-statement.ts";
import type { Mentions } from "./mentions.ts";
import type { Line } from "./source.ts";

const MOST_ENTRIES = 50_000;
const MET_BITS = 2 ** 20;
/** With more texts than this the bits would take most others to be met, too. */
const MAX_MET = MET_BITS / 4;

/** By state and text. */
export class StatementCache<T> {
  readonly #most: number;
  readonly #states = new Map<number, Map<string, T>>();
  #entries = 0;
  readonly #met = new Uint8Array(MET_BITS / 8);
  #metCount = 0;

  constructor(most = MOST_ENTRIES) {
    this.#most = most;
  }

  find(state: number, text: string): T | undefined {
    return this.#states.get(state)?.get(text);
  }

  /** Has the text been asked for here before? By a hash: some are taken for others. */
  isMet(state: number, text: string): boolean {
    const hash = hashOf(state, text) & (MET_BITS - 1);
    const bit = 1 << (hash & 7);
    const bits = this.#met[hash >> 3]!;
    if (bits & bit) return true;
    this.#met[hash >> 3] = bits | bit;
    if (++this.#metCount > MAX_MET) {
      this.#met.fill(0);
      this.#metCount = 0;
    }
    return false;
  }

  keep(state: number, text: string, known: T): void {
    if (++this.#entries > this.#most) {
      this.#states.clear();
      this.#entries = 1;
    }
    let texts = this.#states.get(state);
    if (!texts) this.#states.set(state, (texts = new Map()));
    texts.set(ownText(text), known);
  }
}

/** FNV-1a, its high bits brought down. */
function hashOf(state: number, text: string): number {
  let hash = state ^ 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash ^ (hash >>> 15);
}

/** The text by itself: a part of a source that is kept would keep the whole source. */
export const ownText = (text: string): string => `-${text}`.slice(1);

/** Watches one statement: `noted` says what it came to, if that was bytes or an instruction at the end of the section and nothing else. */
export class StatementWatch {
  readonly #builder: ObjectBuilder;
  readonly #mentions: Mentions;
  readonly #section: ObjectBuilder["section"];
  readonly #last: Fragment | undefined;
  readonly #bytes: number;
  readonly #rows: number;
  readonly #fixups: number;
  readonly #problems: number;

  constructor(builder: ObjectBuilder, mentions: Mentions) {
    this.#builder = builder;
    this.#mentions = mentions;
    mentions.clear();
    this.#section = builder.section;
    this.#last = builder.section.fragments.at(-1);
    const open = this.#last instanceof BytesFragment ? this.#last : undefined;
    this.#bytes = open?.bytes.length ?? 0;
    this.#rows = open?.rows.length ?? 0;
    this.#fixups = open?.fixups.length ?? 0;
    this.#problems = builder.reporter.reported;
  }

  noted(line: Line, now: EvalContext): KnownStatement | undefined {
    const { section, reporter } = this.#builder;
    const { list, kept } = this.#mentions;
    if (!kept && list.length > 0) return undefined;
    if (section !== this.#section || reporter.reported !== this.#problems || this.#mentions.special) return undefined;
    const last = section.fragments.at(-1);
    const fresh = last !== this.#last;
    if (!last || (fresh && section.fragments.at(-2) !== this.#last)) return undefined;
    const detaching = new Detaching(line, list, now);
    const parts =
      last instanceof BytesFragment ? this.#bytesOf(last, fresh, detaching) : fresh && sized(last, detaching);
    if (!parts) return undefined;
    const known = { ...parts, code: last.rows.at(-1)!.bits !== undefined, names: detaching.names() };
    return detaching.complete ? { ...known, sited: detaching.sited } : undefined;
  }

  #bytesOf(last: BytesFragment, fresh: boolean, detaching: Detaching) {
    if ((fresh && this.#last instanceof BytesFragment) || last.rows.length !== this.#rows + 1) return undefined;
    const bytes = last.bytes.view().slice(this.#bytes);
    if (bytes.length === 0) return undefined;
    const open = last.fixups.length > this.#fixups;
    const fixups = open ? last.fixups.slice(this.#fixups).map((one) => detaching.fixup(one, this.#bytes)) : NOTHING;
    return { bytes, fixups, instruction: undefined };
  }
}

const NO_BYTES = new Uint8Array(0);

function sized(fragment: Fragment, detaching: Detaching) {
  const instruction = fragment.rows.length === 1 ? fragment.detach(detaching) : undefined;
  return instruction && { bytes: NO_BYTES, fixups: NOTHING, instruction };
}
