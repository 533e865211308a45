/** Nearly right lines, ours against the dialect's tool: same bytes or both refuse. */
import { compareLine, type Outcome } from "../asm-encode/compare.ts";
import { assemble } from "../asm-encode/tools.ts";
import { type WrongOptions, wrongLines } from "./lines.ts";

/** Lines that a tool gets at once. */
const BATCH = 20_000;

export function* compareWrong(options: WrongOptions): Generator<Outcome> {
  const lines = wrongLines(options);
  for (let at = 0; at < lines.length; at += BATCH) {
    const batch = lines.slice(at, at + BATCH);
    const answers = assemble(
      options.syntax,
      options.bits,
      batch.map(({ text }) => text),
    );
    for (const [index, line] of batch.entries()) yield compareLine(line, answers[index]!);
  }
}
