/** The preprocessor's context stack: `%push`, `%pop`, `%repl`, and the names `%$local` that belong to a context. */
import { SourceError } from "../core/diagnostics.ts";
import type { Span } from "../core/source.ts";
import type { Token } from "./tokens.ts";

export class Contexts {
  readonly #stack: { name: string; readonly id: number }[] = [];

  push(name: string, id: number): void {
    this.#stack.push({ name, id });
  }

  pop(name: string, span: Span): void {
    const top = this.#stack.at(-1);
    if (!top) throw new SourceError(span, "'%pop' with an empty context stack");
    if (name !== "" && name !== top.name)
      throw new SourceError(span, `the context on top is '${top.name}', not '${name}'`);
    this.#stack.pop();
  }

  rename(name: string, span: Span): void {
    const top = this.#stack.at(-1);
    if (!top) throw new SourceError(span, "'%repl' with an empty context stack");
    top.name = name;
  }

  isTop(name: string): boolean {
    return this.#stack.at(-1)?.name.toLowerCase() === name.toLowerCase();
  }

  /** `%$name` is a name of the context on top of the stack, `%$$name` of the one below; others stay as they are. */
  nameOf(token: Token): string {
    const match = /^%(\$+)(.+)$/.exec(token.text);
    if (!match) return token.text;
    const context = this.#stack.at(-match[1]!.length);
    if (!context) throw new SourceError(token, `'${token.text}': the context stack is not that deep`);
    return `..@${context.id}.${match[2]}`;
  }

  /** Tokens in which every such name is replaced. */
  named(tokens: readonly Token[]): readonly Token[] {
    if (!tokens.some(({ kind }) => kind === "pp")) return tokens;
    return tokens.map((token) =>
      token.kind === "pp" && token.text.startsWith("%$") ? { ...token, kind: "id", text: this.nameOf(token) } : token,
    );
  }
}
