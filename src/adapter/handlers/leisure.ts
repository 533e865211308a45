/**
 * What is done for the user while the client asks for nothing: it is told which programs there are, and the past is brought near, so that a
 * step back is short. A request finds the present as it left it: one that comes meanwhile ends this first.
 */
import { NearPast } from "../debug/near-past.ts";
import type { Context } from "./context.ts";
import { tellFirstPrograms } from "./programs.ts";
import { crash } from "./running.ts";

/** A client that has asked for nothing for so long has read all that it shows of a stop. */
const QUIET_MILLISECONDS = 150;

export class Leisure {
  readonly #context: Context;
  /** Requests that have not been answered. */
  #requests = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #nearPast: NearPast | undefined;

  constructor(context: Context) {
    this.#context = context;
  }

  /** A request has come. */
  end(): void {
    this.#requests++;
    clearTimeout(this.#timer);
    this.#nearPast?.leave();
  }

  /** A request has been answered. */
  requestDone(): void {
    this.#requests--;
    this.rest();
  }

  /** Begins in a while, if the program stands still and nothing is asked till then. */
  rest(): void {
    clearTimeout(this.#timer);
    if (this.#isAtRest) this.#timer = setTimeout(() => void this.#use(), QUIET_MILLISECONDS);
  }

  get #isAtRest(): boolean {
    return this.#requests === 0 && this.#context.isLaunched && !this.#context.running;
  }

  async #use(): Promise<void> {
    if (!this.#isAtRest) return;
    const { launched } = this.#context;
    this.#nearPast = new NearPast(launched.control, launched.history);
    try {
      tellFirstPrograms(this.#context);
      await this.#nearPast.approach();
    } catch (error) {
      crash(this.#context, launched, error);
    }
  }
}
