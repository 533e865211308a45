/** The stack of places that statements come from: files, macro bodies, repetitions. */
import type { Budget } from "../core/budget.ts";
import { FatalError } from "../core/diagnostics.ts";
import type { Line, Span } from "../core/source.ts";
import { statementsOf } from "./text.ts";

const MAX_NESTING = 250;

/** A file that is read for the first time; the body of a macro; anything else is read again. */
export type FrameKind = "file" | "macro" | "again";

interface Frame {
  readonly lines: readonly Line[];
  next: number;
  readonly kind: FrameKind;
  /** Open conditions when it began. */
  readonly conditions: number;
  /** The statements of one line. */
  readonly statements?: boolean;
}

export class Input {
  readonly #frames: Frame[] = [];
  readonly #budget: Budget;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  get depth(): number {
    return this.#frames.length;
  }

  /** Statements of `lines` come before whatever was next. */
  push(lines: readonly Line[], site: Span | undefined, kind: FrameKind, conditions = 0): void {
    const last = this.#frames.at(-1);
    if (last?.statements && last.next >= last.lines.length) this.#frames.pop();
    if (site && this.#frames.length >= MAX_NESTING)
      throw new FatalError(site, `macros and includes are nested more than ${MAX_NESTING} deep`);
    this.#frames.push({ lines, next: 0, kind, conditions });
  }

  next(): Line | undefined {
    for (;;) {
      const frame = this.#frames.at(-1);
      if (!frame) return undefined;
      if (frame.next >= frame.lines.length) {
        this.#frames.pop();
        continue;
      }
      const line = frame.lines[frame.next++]!;
      if (frame.statements || !line.text.includes(";")) {
        if (frame.kind !== "file") this.#budget.chargeLine("statements", 1, line);
        return line;
      }
      const kind = frame.kind === "file" ? "file" : "again";
      this.#frames.push({ ...frame, lines: statementsOf(line), next: 0, kind, statements: true });
    }
  }

  /** `.exitm`: drops the rest of the innermost macro body. How many conditions were open when it began; undefined: no macro. */
  leaveMacro(): number | undefined {
    const at = this.#frames.findLastIndex((frame) => frame.kind === "macro");
    const frame = this.#frames[at];
    if (!frame) return undefined;
    this.#frames.length = at;
    return frame.conditions;
  }

  /** `.end`: nothing more is read. */
  stop(): void {
    this.#frames.length = 0;
  }
}
