/**
 * Where a program waits, or runs on, that a client has left without ending it, until another client attaches. A server has one; an adapter
 * that ends with its only client has none. There is room for one program.
 */
import { Breakpoints } from "../debug/breakpoints.ts";
import type { RunControl, Stop } from "../debug/run-control.ts";
import type { Launched } from "./context.ts";

/** A program without a client. */
export interface Left {
  readonly launched: Launched;
  readonly launchArguments: Readonly<Record<string, unknown>>;
  readonly bookmarks: ReadonlyMap<string, number>;
  /** Whether it is to run on. */
  readonly running: boolean;
}

export class Shelf {
  #left: Left | undefined;
  /** How the run without a client has ended. */
  #run: Promise<Stop> | undefined;

  get isTaken(): boolean {
    return this.#left !== undefined;
  }

  put(left: Left): void {
    const { control } = left.launched;
    control.use(new Breakpoints());
    control.data.replace([], control.view);
    control.setEventFilter(() => undefined);
    control.onLog = () => {};
    this.#left = left;
    this.#run = left.running && control.ended === undefined ? runOn(control) : undefined;
  }

  /** Takes the program away, standing still. */
  async take(): Promise<Left | undefined> {
    const [left, run] = [this.#left, this.#run];
    this.#left = this.#run = undefined;
    if (run !== undefined) {
      left?.launched.control.pause();
      await run;
    }
    return left;
  }
}

async function runOn(control: RunControl): Promise<Stop> {
  control.begin();
  control.cpu.skipBreakpoint();
  for (;;) {
    const outcome = await control.run();
    if (outcome !== "reached") return outcome;
  }
}
