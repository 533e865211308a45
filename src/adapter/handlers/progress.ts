/** What takes long says how far it is, to clients that show that, and can be cancelled. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import type { RunControl } from "../debug/run-control.ts";
import type { Client, Context, HandlerTable } from "./context.ts";

/** Nothing is shown of what is done sooner. */
const PATIENCE_MILLISECONDS = 300;
const BETWEEN_UPDATES_MILLISECONDS = 100;

export class Progress {
  readonly #client: Client;
  /** Whether the client understands progress events. */
  supported = false;
  #last = 0;
  #current: { readonly id: string; readonly control: RunControl } | undefined;

  constructor(client: Client) {
    this.#client = client;
  }

  async during<T>(control: RunControl, title: string, action: () => Promise<T>): Promise<T> {
    const progressId = `progress-${++this.#last}`;
    const shown = { began: performance.now(), updated: 0, visible: false };
    this.#current = { id: progressId, control };
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

  /** Stops what goes on, if it is that one; undefined id = whatever it is. */
  cancel(id: string | undefined): void {
    if (this.#current !== undefined && (id === undefined || id === this.#current.id)) this.#current.control.pause();
  }
}

/** A request has been answered before another is read, unless it is a long one: there is only one of those at a time. */
function cancel(context: Context, { progressId }: DebugProtocol.CancelArguments): void {
  context.progress.cancel(progressId);
}

export const progressHandlers: HandlerTable = { cancel };
