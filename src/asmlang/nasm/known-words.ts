/**
 * What the preprocessor makes of a line's words. A line may be taken for known as long as none of them has become a macro, and
 * those that are macros expand to what they did.
 */
import { ownText } from "../core/statement-cache.ts";

/** What a word in lower case expands to, if that is simple; "": it stays. */
export type ExpansionOf = (word: string) => string | undefined;

/** Words of a text; the sign of the preprocessor counts as one. */
const WORDS = /[A-Za-z_.?@\u0080-\uffff][\w.?@$#~\u0080-\uffff]*|%/g;
const QUOTES = /["'`]/;

export interface KnownWords {
  /** They are no macros. */
  readonly plain: readonly string[];
  /** And what those that are come to. */
  readonly macros: readonly { readonly word: string; readonly expansion: string }[];
  /** The names of macros among which the plain ones were looked for last. */
  names: number;
}

const NEVER = -1;

const MAX_LOWER = 20_000;
/** Words in lower case: lines share them. */
const LOWER = new Map<string, string>();

function lowerCase(word: string): string {
  let lower = LOWER.get(word);
  if (lower === undefined) {
    if (LOWER.size >= MAX_LOWER) LOWER.clear();
    LOWER.set(ownText(word), (lower = ownText(word.toLowerCase())));
  }
  return lower;
}

/** The line up to its comment, if that is easily told. */
function withoutComment(text: string): string {
  const end = text.indexOf(";");
  return end < 0 || QUOTES.test(text) ? text : text.slice(0, end);
}

/** The words of a line, quoted ones included; undefined if it has something else for the preprocessor. */
export function knownWords(text: string, expansionOf: ExpansionOf, names: number): KnownWords | undefined {
  const plain: string[] = [];
  const macros: KnownWords["macros"][number][] = [];
  for (const found of withoutComment(text).match(WORDS) ?? []) {
    const word = lowerCase(found);
    const expansion = word === "%" ? undefined : expansionOf(word);
    if (expansion === undefined) return undefined;
    if (expansion === "") plain.push(word);
    else macros.push({ word, expansion });
  }
  return { plain, macros, names };
}

export function joinWords(parts: readonly KnownWords[]): KnownWords {
  const [first] = parts;
  if (first && parts.length === 1) return first;
  const names = first?.names ?? NEVER;
  return {
    plain: [...new Set(parts.flatMap(({ plain }) => plain))],
    macros: parts.flatMap(({ macros }) => macros),
    names: parts.every((one) => one.names === names) ? names : NEVER,
  };
}

/** Do they still mean what they meant? */
export function wordsHold(words: KnownWords, expansionOf: ExpansionOf, names: number): boolean {
  for (const { word, expansion } of words.macros) if (expansionOf(word) !== expansion) return false;
  if (words.names === names) return true;
  for (const word of words.plain) if (expansionOf(word) !== "") return false;
  words.names = names;
  return true;
}

const MAX_NUMBERS = 10_000;
const NUMBERS = new Map<string, number>();
let lastNumber = 0;

/** A number for the names that macros have: the same for the same changes since the start, in every run. */
export class MacroNames {
  number = 0;

  /** `change` says all of it. */
  note(change: string): void {
    const key = `${this.number} ${change}`;
    const known = NUMBERS.get(key);
    if (known === undefined) {
      if (NUMBERS.size >= MAX_NUMBERS) NUMBERS.clear();
      NUMBERS.set(key, ++lastNumber);
    }
    this.number = known ?? lastNumber;
  }
}
