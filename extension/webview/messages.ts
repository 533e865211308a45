/** Messages from the extension to a view's page. */
export interface ViewMessage {
  readonly kind: "kernelState" | "espfix";
  /** undefined = nothing to show yet; `note` says why. */
  readonly state: unknown;
  /** The state at the stop before. */
  readonly before: unknown;
  /** The machine runs: what is shown is of the last stop. */
  readonly running: boolean;
  readonly note: string | undefined;
  /** Counts what has been asked of the adapter: the page shows it in its `data-drawn`. */
  readonly count: number;
}
