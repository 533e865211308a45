/** Follows Ringside debug sessions, and asks the adapter for what the views show whenever that may have changed. */
import * as vscode from "vscode";
import type { EspfixState, KernelState } from "../src/adapter/debug/views.ts";
import type { ViewMessage } from "./webview/messages.ts";

export type ViewKind = ViewMessage["kind"];

interface DapMessage {
  readonly type: string;
  readonly event?: string;
  readonly command?: string;
  readonly success?: boolean;
}

/** Requests of the user's that change the machine while it is stopped. */
const changing = new Set(["setVariable", "setExpression", "writeMemory", "evaluate", "restartFrame", "goto"]);

/** What one view shows of one session. */
class Picture {
  state: unknown;
  before: unknown;
  running = false;
  note: string | undefined = "The program has not stopped yet.";
  count = 0;
}

export class Sessions implements vscode.DebugAdapterTrackerFactory, vscode.Disposable {
  readonly #updates = new vscode.EventEmitter<void>();
  readonly onDidUpdate = this.#updates.event;
  readonly #needs = new vscode.EventEmitter<ViewKind>();
  /** For the first time in a session a view has something to show that is happening: the kernel runs, or is on an espfix stack. */
  readonly onDidFirstNeed = this.#needs.event;
  readonly #needed = new WeakMap<vscode.DebugSession, Set<ViewKind>>();
  readonly #pictures = new WeakMap<vscode.DebugSession, Map<ViewKind, Picture>>();
  readonly #subscriptions: vscode.Disposable[];
  #thread: number | undefined;

  constructor() {
    this.#subscriptions = [
      vscode.debug.registerDebugAdapterTrackerFactory("ringside", this),
      vscode.debug.onDidChangeActiveDebugSession(() => this.#updates.fire()),
      vscode.debug.onDidChangeActiveStackItem((item) => this.#selectThread(item)),
      this.#updates,
      this.#needs,
    ];
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  createDebugAdapterTracker(session: vscode.DebugSession): vscode.DebugAdapterTracker {
    return { onDidSendMessage: (message: DapMessage) => this.#follow(session, message) };
  }

  /** The message that draws a view for the active session. */
  message(kind: ViewKind): ViewMessage {
    const session = vscode.debug.activeDebugSession;
    if (session?.type !== "ringside")
      return { kind, state: undefined, before: undefined, running: false, note: "No session.", count: 0 };
    return { kind, ...this.#picture(session, kind) };
  }

  #picture(session: vscode.DebugSession, kind: ViewKind): Picture {
    const pictures = this.#pictures.get(session) ?? new Map<ViewKind, Picture>();
    this.#pictures.set(session, pictures);
    const picture = pictures.get(kind) ?? new Picture();
    pictures.set(kind, picture);
    return picture;
  }

  #follow(session: vscode.DebugSession, message: DapMessage): void {
    if (message.event === "stopped") void this.#refresh(session, "stop");
    else if (message.event === "continued") this.#markRunning(session);
    else if (message.event === "ringside/changed" || message.event === "invalidated")
      void this.#refresh(session, "change");
    else if (message.type !== "response" || !message.success) return;
    else if (/^(continue|next|step(In|Out|Back)|reverseContinue)$/.test(message.command ?? ""))
      this.#markRunning(session);
    else if (changing.has(message.command ?? "")) void this.#refresh(session, "change");
  }

  #markRunning(session: vscode.DebugSession): void {
    for (const kind of ["kernelState", "espfix"] as const) this.#picture(session, kind).running = true;
    this.#updates.fire();
  }

  #selectThread(item: vscode.DebugThread | vscode.DebugStackFrame | undefined): void {
    if (item?.session.type !== "ringside" || item.threadId === this.#thread) return;
    this.#thread = item.threadId;
    void this.#refresh(item.session, "change");
  }

  #noteNeed(session: vscode.DebugSession, kind: ViewKind, state: unknown): void {
    const isNeeded = kind === "espfix" ? (state as EspfixState).inUse : (state as KernelState).mode.cpl < 3;
    const needed = this.#needed.get(session) ?? new Set();
    this.#needed.set(session, needed);
    if (!isNeeded || needed.has(kind)) return;
    needed.add(kind);
    this.#needs.fire(kind);
  }

  /** After a stop, the picture so far becomes the one to compare with; after a change of the user's it stays. */
  async #refresh(session: vscode.DebugSession, why: "stop" | "change"): Promise<void> {
    const kinds: ViewKind[] = ["kernelState", "espfix"];
    await Promise.all(
      kinds.map(async (kind) => {
        const picture = this.#picture(session, kind);
        if (why === "change" && picture.running) return;
        try {
          const state: unknown = await session.customRequest(`ringside/${kind}`, { threadId: this.#thread });
          if (why === "stop") picture.before = picture.state;
          Object.assign(picture, { state, running: false, note: undefined });
          this.#noteNeed(session, kind, state);
        } catch (error) {
          picture.state = undefined;
          picture.note = error instanceof Error ? error.message : String(error);
        }
        picture.count++;
      }),
    );
    this.#updates.fire();
  }
}
