/** Listings: offset, bytes and source line of every statement that made bytes. */
import { fileNameOf } from "../core/uri.ts";
import type { AssembleResult, LineRow, Section } from "../types.ts";

const BYTES_A_LINE = 8;

/** @param texts of the sources by URI. A line of another file than the first has that file's name beside its number. */
export function writeListing(result: AssembleResult, texts: ReadonlyMap<string, string>): Uint8Array {
  const [first] = texts.keys();
  const lines = new Map([...texts].map(([uri, text]) => [uri, text.split(/\r\n?|\n/)]));
  const source = ({ uri, line }: LineRow): string => {
    const number = uri === first ? String(line + 1) : `${fileNameOf(uri)}:${line + 1}`;
    return `${number.padStart(5)}  ${lines.get(uri)?.[line] ?? ""}`;
  };
  const out: string[] = [];
  const rows = new Map<string, LineRow[]>(result.sections.map(({ name }) => [name, []]));
  for (const row of result.lines) rows.get(row.section)?.push(row);
  for (const section of result.sections)
    if (section.size > 0) listSection(rows.get(section.name)!, section, source, out);
  return new TextEncoder().encode(`${out.join("\n")}\n`);
}

function listSection(
  rows: readonly LineRow[],
  section: Section,
  source: (row: LineRow) => string,
  out: string[],
): void {
  out.push(`section ${section.name} (${section.size} bytes)`);
  rows.forEach((row, i) => {
    const end = rows[i + 1]?.offset ?? section.size;
    listBytes(section, row.offset, Math.max(row.offset, end), source(row), out);
  });
}

function listBytes(section: Section, from: number, to: number, text: string, out: string[]): void {
  const offset = (at: number) => at.toString(16).toUpperCase().padStart(8, "0");
  if (section.flags.nobits) {
    out.push(`${offset(from)} ${`<${to - from} bytes>`.padEnd(BYTES_A_LINE * 2)} ${text}`);
    return;
  }
  for (let at = from; at < to || at === from; at += BYTES_A_LINE) {
    const part = section.bytes.subarray(at, Math.min(to, at + BYTES_A_LINE));
    const hex = Array.from(part, (byte) => byte.toString(16).toUpperCase().padStart(2, "0")).join("");
    const long = at - from >= 4 * BYTES_A_LINE;
    if (long) {
      out.push(`${offset(at)} ... ${to - at} more bytes`);
      return;
    }
    out.push(`${offset(at)} ${hex.padEnd(BYTES_A_LINE * 2)}${at === from ? ` ${text}` : ""}`.trimEnd());
  }
}
