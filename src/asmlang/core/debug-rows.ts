/**
 * The rows of the line table that goes into ELF files: what the dialect's own tool would write. GNU as has one for each
 * instruction whose line is another than that of the one before, macros at their outermost use; NASM for everything that makes
 * bytes in code sections, macros by their bodies. A source with `.loc` has just those.
 */
import type { DebugRow, Dialect } from "../types.ts";
import type { ObjectBuilder } from "./builder.ts";
import { AlignFragment, type Fragment, type Row } from "./fragment.ts";
import type { Layout } from "./layout.ts";
import { shownLine } from "./source.ts";
import type { AsmSymbol } from "./symbols.ts";

/** What `.loc` said, at an instruction. */
export interface Location {
  readonly at: AsmSymbol;
  readonly file: string;
  /** One-based. */
  readonly line: number;
  readonly column: number;
  readonly statement: boolean;
  readonly mark?: DebugRow["mark"];
}

export function debugRows(builder: ObjectBuilder, dialect: Dialect, layout: Layout): DebugRow[] {
  return builder.locations.length > 0 ? located(builder.locations, layout) : written(builder, dialect);
}

function located(locations: readonly Location[], layout: Layout): DebugRow[] {
  return locations.flatMap(({ at, file, line, column, statement, mark }) => {
    const { section } = at;
    if (!section) return [];
    const place = { section: section.name, offset: layout.offsetOf(at) };
    return [{ ...place, file, line, column, statement, ...(mark && { mark }) }];
  });
}

function written(builder: ObjectBuilder, dialect: Dialect): DebugRow[] {
  const rows: DebugRow[] = [];
  let last: { uri: string; line: number } | undefined;
  for (const fragment of builder.fragments) {
    if (!fragment.section.flags.exec || fragment.section.absolute) continue;
    for (const row of fragment.rows) {
      if (dialect === "gas" && !isInstruction(fragment, row)) continue;
      const from = dialect === "gas" ? shownLine(row.line) : row.line;
      if (last && from.line === last.line && from.uri === last.uri) continue;
      last = from;
      const { uri: file, line } = from;
      const offset = fragment.offset + row.offset;
      rows.push({ section: fragment.section.name, offset, file, line: line + 1, column: 0, statement: true });
    }
  }
  return rows;
}

const isInstruction = (fragment: Fragment, row: Row): boolean =>
  row.bits !== undefined && !(fragment instanceof AlignFragment);
