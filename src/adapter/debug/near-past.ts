/**
 * Brings the past near while the user looks at a stop: a checkpoint a little before it, so that the first step back is as short as the
 * ones behind it. Found by going back and replaying, a few milliseconds at a time; after leave(), at whatever time, the machine and all
 * that watches it are exactly where they were.
 */
import type { Asked } from "../../emu/cpu/cpu.ts";
import type { Checkpoint, History } from "./history.ts";
import { Pacer } from "./pacer.ts";
import { breathe, type RunControl } from "./run-control.ts";

/** A message that comes meanwhile waits no longer than that. */
const SLICE_MILLISECONDS = 4;

/** The present, as it was left for the past. */
interface Present {
  readonly instant: Checkpoint;
  /** Of each processor. */
  readonly asked: readonly Asked[];
}

export class NearPast {
  readonly #control: RunControl;
  readonly #history: History;
  readonly #pacer = new Pacer(SLICE_MILLISECONDS);
  #present: Present | undefined;

  constructor(control: RunControl, history: History) {
    this.#control = control;
    this.#history = history;
  }

  /** Lays the checkpoint, unless there is one or no room for it. Ends without it when leave() is called. */
  async approach(): Promise<void> {
    const history = this.#history;
    const { wanting } = history;
    if (wanting === undefined) return;
    const { machine } = this.#control.target;
    const present = { instant: history.mark(), asked: machine.cpus.map((cpu) => ({ ...cpu.asked })) };
    this.#present = present;
    try {
      history.restoreBefore(wanting);
      while (machine.icount < wanting) {
        this.#pacer.timed(() => this.#control.runUnseen(Math.min(wanting - machine.icount, this.#pacer.slice)));
        await breathe();
        if (this.#present !== present) return;
      }
      history.add();
    } finally {
      if (this.#present === present) this.leave();
    }
  }

  /** Back to the present, if approach() is under way. */
  leave(): void {
    if (this.#present === undefined) return;
    const { instant, asked } = this.#present;
    this.#present = undefined;
    this.#history.returnTo(instant);
    this.#history.letGo(instant);
    for (const [i, cpu] of this.#control.target.machine.cpus.entries()) cpu.asked = asked[i]!;
  }
}
