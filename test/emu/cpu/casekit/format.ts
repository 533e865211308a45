/**
 * The text of a case file, read and written. A file is about one mnemonic and consists of groups, each one line of assembly with its
 * bytes and what it does to some states:
 *
 *     nasm 64 | adcx rax, [rdi+8]
 *     bytes   66 48 0f 38 f6 47 08
 *     before  rax=1 rdi=40100 [40108]=ffffffffffffffff flags=cf
 *     after   rax=1
 *
 * Before the bar: dialect ("nasm" or "gas"), mode (64, 32, 16: user mode under a 64-bit kernel; protected, real, v86), and where wanted
 * "cpl0" and "amd". All numbers are hexadecimal. A `source` line names the manual's page where no host can be asked, a `printed` line
 * what our printer writes where that is another line (an encoding that assemblers do not choose). What a state has that `before` does
 * not name is in state.ts; what `after` does not name stays as it was. Lines that begin with # are remarks.
 */
import { VECTOR } from "../../../../src/emu/cpu/fault.ts";

export type Dialect = "nasm" | "gas";
export const MODES = ["64", "32", "16", "protected", "real", "v86"] as const;
export type Mode = (typeof MODES)[number];

/** Part of a state: a register, a flag, a piece of memory. */
export interface Item {
  readonly name: string;
  readonly value: string;
}

export interface Trap {
  readonly vector: number;
  /** undefined: the vector has none. */
  readonly errorCode: number | undefined;
}

export interface Run {
  readonly before: readonly Item[];
  readonly after: readonly Item[];
  /** The exception (or software interrupt) that ends the instruction. */
  readonly trap: Trap | undefined;
}

export interface Group {
  readonly dialect: Dialect;
  readonly mode: Mode;
  readonly cpl0: boolean;
  readonly vendor: "intel" | "amd";
  readonly text: string;
  readonly bytes: Uint8Array;
  /** Where `after` is from, if not from a processor. */
  readonly source: string | undefined;
  /** What the printer writes, if not `text`. */
  readonly printed: string | undefined;
  readonly runs: readonly Run[];
  /** Remarks above it. */
  readonly remarks: readonly string[];
}

const MNEMONICS = new Map(Object.entries(VECTOR).map(([name, vector]) => [vector as number, name]));
const HEX_WIDTH = 2;

export const itemText = ({ name, value }: Item): string => `${name}=${value}`;
const itemsText = (items: readonly Item[]): string => items.map(itemText).join(" ");

function trapText({ vector, errorCode }: Trap): string {
  const name = MNEMONICS.get(vector);
  const error = errorCode === undefined ? "" : `(${errorCode.toString(16)})`;
  return `${name === undefined ? `int:${vector.toString(16)}` : `#${name}`}${error}`;
}

function runText({ before, after, trap }: Run): string {
  const parts = [trap === undefined ? "" : trapText(trap), itemsText(after)].filter((part) => part !== "");
  return `before  ${itemsText(before) || "none"}\nafter   ${parts.join(" ") || "none"}\n`;
}

function groupText(group: Group): string {
  const { dialect, mode, cpl0, vendor, text, bytes, source, printed, runs, remarks } = group;
  const words = [dialect, mode, ...(cpl0 ? ["cpl0"] : []), ...(vendor === "amd" ? ["amd"] : [])];
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(HEX_WIDTH, "0")).join(" ");
  const from = source === undefined ? "" : `source  ${source}\n`;
  const other = printed === undefined ? "" : `printed ${printed}\n`;
  const above = remarks.map((remark) => `${remark}\n`).join("");
  return `${above}${words.join(" ")} | ${text}\nbytes   ${hex || "?"}\n${other}${from}${runs.map(runText).join("")}`;
}

export const fileText = (groups: readonly Group[]): string => groups.map(groupText).join("\n");

// --- reading

function itemOf(word: string): Item {
  const at = word.indexOf("=", word.startsWith("[") ? word.indexOf("]") : 0);
  if (at < 1) throw new Error(`'${word}' is not name=value`);
  return { name: word.slice(0, at), value: word.slice(at + 1) };
}

function trapOf(word: string): Trap | undefined {
  const match = /^(?:#([A-Z]+)|int:([0-9a-f]+))(?:\(([0-9a-f]+)\))?$/.exec(word);
  if (!match) return undefined;
  const vector = match[1] === undefined ? Number.parseInt(match[2]!, 16) : VECTOR[match[1] as keyof typeof VECTOR];
  if (vector === undefined) throw new Error(`no exception is called ${word}`);
  return { vector, errorCode: match[3] === undefined ? undefined : Number.parseInt(match[3], 16) };
}

const wordsOf = (text: string): string[] => text.split(/\s+/).filter((word) => word !== "" && word !== "none");

function runOf(before: string, after: string | undefined): Run {
  const words = wordsOf(after ?? "");
  const trap = words.length > 0 ? trapOf(words[0]!) : undefined;
  return { before: wordsOf(before).map(itemOf), after: (trap ? words.slice(1) : words).map(itemOf), trap };
}

function headOf(line: string): Pick<Group, "dialect" | "mode" | "cpl0" | "vendor" | "text"> {
  const bar = line.indexOf(" | ");
  const words = line.slice(0, bar).split(/\s+/);
  const [dialect, mode] = words as [Dialect, Mode];
  if (bar < 0 || !["nasm", "gas"].includes(dialect) || !MODES.includes(mode))
    throw new Error(`'${line}' is not 'dialect mode | text'`);
  return {
    dialect,
    mode,
    cpl0: words.includes("cpl0"),
    vendor: words.includes("amd") ? "amd" : "intel",
    text: line.slice(bar + 3).trim(),
  };
}

function groupOf(paragraph: readonly string[]): Group {
  const remarks = paragraph.filter((line) => line.startsWith("#"));
  const [head, ...lines] = paragraph.filter((line) => !line.startsWith("#"));
  const field = (line: string): readonly [string, string] => {
    const match = /^(\w+)\s+(.*)$/.exec(line);
    if (!match) throw new Error(`'${line}' is no line of a case`);
    return [match[1]!, match[2]!];
  };
  let bytes = new Uint8Array();
  let source: string | undefined;
  let printed: string | undefined;
  const runs: Run[] = [];
  lines.forEach((line, i) => {
    const [name, value] = field(line);
    const next = lines[i + 1] === undefined ? undefined : field(lines[i + 1]!);
    if (name === "bytes")
      bytes = value === "?" ? bytes : Uint8Array.from(value.split(" "), (b) => Number.parseInt(b, 16));
    else if (name === "source") source = value;
    else if (name === "printed") printed = value;
    else if (name === "before") runs.push(runOf(value, next?.[0] === "after" ? next[1] : undefined));
    else if (name !== "after") throw new Error(`'${line}' is no line of a case`);
  });
  return { ...headOf(head ?? ""), bytes, source, printed, runs, remarks };
}

/** The groups of a file; `name` is for messages. */
export function parseCases(text: string, name: string): Group[] {
  const paragraphs = text.split(/\n\s*\n/).map((part) => part.split("\n").filter((line) => line.trim() !== ""));
  return paragraphs
    .filter((lines) => lines.some((line) => !line.startsWith("#")))
    .map((lines) => {
      try {
        return groupOf(lines);
      } catch (error) {
        throw new Error(`${name}: ${(error as Error).message}`);
      }
    });
}
