/** The assembler's diagnostics as the protocol's. */
import { DiagnosticSeverity, type Diagnostic as LspDiagnostic, type Range as LspRange } from "vscode-languageserver";
import type { Diagnostic, Range } from "../types.ts";

export function lspRange(range: Range): LspRange {
  return {
    start: { line: range.line, character: range.column },
    end: { line: range.endLine, character: range.endColumn },
  };
}

/** A problem in an included file is shown where this document includes it, with the real place beside it. */
export function toLsp(diagnostic: Diagnostic, uri: string): LspDiagnostic {
  const related = [...(diagnostic.related ?? [])];
  let { range, message } = diagnostic;
  if (range.uri !== uri) {
    related.unshift({ message, range });
    message = `in ${range.uri.slice(range.uri.lastIndexOf("/") + 1)}:${range.line + 1}: ${message}`;
    range = related.find((one) => one.range.uri === uri)?.range ?? {
      uri,
      line: 0,
      column: 0,
      endLine: 0,
      endColumn: 0,
    };
  }
  return {
    severity: diagnostic.severity === "error" ? DiagnosticSeverity.Error : DiagnosticSeverity.Warning,
    source: "ringside",
    message,
    range: lspRange(range),
    ...(related.length > 0 && {
      relatedInformation: related.map((one) => ({
        message: one.message,
        location: { uri: one.range.uri, range: lspRange(one.range) },
      })),
    }),
    ...(diagnostic.fix && {
      data: {
        title: diagnostic.fix.title,
        range: lspRange(diagnostic.fix.range),
        text: diagnostic.fix.text,
        uri: diagnostic.fix.range.uri,
      },
    }),
  };
}
