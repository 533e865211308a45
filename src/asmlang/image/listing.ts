/** Listings: offset, bytes and source position of every statement that made bytes. */
import type { AssembleResult, LineRow, Section } from "../types.ts";

const BYTES_A_LINE = 8;

/** `source` gives a file's lines, so that they stand beside their bytes; without it positions stand there. */
export function writeListing(
  result: AssembleResult,
  source?: (uri: string) => readonly string[] | undefined,
): Uint8Array {
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
  source: ((uri: string) => readonly string[] | undefined) | undefined,
  out: string[],
): void {
  out.push(`section ${section.name} (${section.size} bytes)`);
  rows.forEach((row, i) => {
    const end = rows[i + 1]?.offset ?? section.size;
    const text = source?.(row.uri)?.[row.line];
    const where = text ?? `${row.uri}:${row.line + 1}`;
    listBytes(section, row.offset, Math.max(row.offset, end), `${String(row.line + 1).padStart(5)}  ${where}`, out);
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
