/** Symbols with versions (`.symver`), made when the whole source is read: only then is it known which symbols are defined. */
import type { ObjectBuilder } from "../core/builder.ts";
import { symbolExpr } from "../core/expr.ts";
import type { Span } from "../core/source.ts";

export interface Version {
  readonly name: string;
  readonly span: Span;
  readonly versioned: string;
  /** What becomes of the plain name. */
  readonly kept: "local" | "hidden" | "remove" | undefined;
}

export function addVersions(builder: ObjectBuilder, versions: readonly Version[]): void {
  for (const { name, span, versioned, kept } of versions) {
    const symbol = builder.symbol(name);
    const defined = symbol.definition !== undefined;
    // `@@@` is `@@` where the symbol is defined, `@` where it is not, and takes its place.
    const known = versioned.replace("@@@", defined ? "@@" : "@");
    if (!defined || versioned.includes("@@@")) {
      if (defined || symbol.firstUse) builder.rename(symbol, known);
      continue;
    }
    const alias = builder.symbol(known);
    alias.definition = { kind: "equate", expr: symbolExpr(symbol, span) };
    Object.assign(alias, {
      binding: symbol.binding,
      visibility: symbol.visibility,
      type: symbol.type,
      size: symbol.size,
      span,
    });
    if (kept === "remove") symbol.temporary = true;
    else if (kept === "local") symbol.binding = "local";
    else if (kept === "hidden") symbol.visibility = "hidden";
  }
}
