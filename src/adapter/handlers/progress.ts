/** What takes long says how far it is, to clients that show that, and can be cancelled. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { RunControl } from "../debug/run-control.ts";
import type { Client, Context, HandlerTable } from "./context.ts";

/** Nothing is shown of what is done sooner. */
const PATIENCE_MILLISECONDS = 300;
const BETWEEN_UPDATES_MILLISECONDS = 100;

interface Current {
  readonly progressId: string;
  readonly request: number | undefined;
  readonly control: RunControl;
}

export class Progress {
  readonly #client: Client;
  /** Whether the client understands progress events. */
  supported = false;
  #last = 0;
  #current: Current | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  /** @param request the one that waits for it; none if that has been answered. */
  async during<T>(control: RunControl, title: string, action: () => Promise<T>, request?: number): Promise<T> {
    const progressId = `progress-${++this.#last}`;
    const shown = { began: performance.now(), updated: 0, visible: false };
    this.#current = { progressId, request, control };
    control.onProgress = (part) => this.#update(progressId, title, part, shown);
    try {
      return await action();
    } finally {
      control.onProgress = () => {};
      this.#current = undefined;
      if (shown.visible) this.#client.event("progressEnd", { progressId });
    }
  }

  #update(
    progressId: string,
    title: string,
    part: number,
    shown: { readonly began: number; updated: number; visible: boolean },
  ): void {
    const now = performance.now();
    if (!this.supported || now - shown.began < PATIENCE_MILLISECONDS) return;
    const percentage = Math.min(100, Math.round(part * 100));
    if (!shown.visible) {
      shown.visible = true;
      this.#client.event("progressStart", { progressId, title, cancellable: true, percentage });
    } else if (now - shown.updated >= BETWEEN_UPDATES_MILLISECONDS) {
      this.#client.event("progressUpdate", { progressId, percentage });
    } else return;
    shown.updated = now;
  }

  /** Stops what goes on, if it is that one; whatever it is if nothing is said. */
  cancel({ progressId, requestId }: DebugProtocol.CancelArguments): void {
    const current = this.#current;
    const isMeant =
      progressId === undefined
        ? requestId === undefined || requestId === current?.request
        : progressId === current?.progressId;
    if (isMeant) current?.control.pause();
  }
}

/** A request has been answered before another is read, unless it is a long one: there is only one of those at a time. */
function cancel(context: Context, args: DebugProtocol.CancelArguments): void {
  context.progress.cancel(args);
}

export const progressHandlers: HandlerTable = { cancel };
