/**
 * What a client shows, and asks for again. An editor that draws its views while the user steps on asks about a stop that has just passed, or
 * while the program runs: it gets what it has shown last, instead of an error that would flash in its place.
 */
import type { Context, Handler } from "./context.ts";
import { TooLate } from "./errors.ts";

/** So many answers are kept. */
const MOST = 1000;

export class Shown {
  readonly #bodies = new Map<string, unknown>();

  note<T>(question: string, body: T): T {
    if (this.#bodies.size >= MOST) this.#bodies.clear();
    this.#bodies.set(question, body);
    return body;
  }

  /** What was answered last. @throws the error if there is nothing, or it is of another kind than TooLate. */
  instead(question: string, error: unknown): unknown {
    if (!(error instanceof TooLate) || !this.#bodies.has(question)) throw error;
    return this.#bodies.get(question);
  }

  clear(): void {
    this.#bodies.clear();
  }
}

/** A handler whose answers are shown. */
export function shown<A>(handler: (context: Context, args: A) => unknown): Handler {
  return (context: Context, args: A) => {
    const question = JSON.stringify([context.request.command, args]);
    try {
      return context.shown.note(question, handler(context, args)) as ReturnType<Handler>;
    } catch (error) {
      return context.shown.instead(question, error) as ReturnType<Handler>;
    }
  };
}
