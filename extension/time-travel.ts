/**
 * What VS Code has no button for: steps back into and out of functions, running back to the cursor, going to an instant, bookmarks, "Who last
 * wrote this?"; and the status bar's item that says which instant this is.
 */
import * as vscode from "vscode";
import {
  bookmarksIn,
  expressionOf,
  grouped,
  type Instant,
  instantHelp,
  instantText,
  instructionNumber,
  isPast,
  type MenuContext,
  sourceOf,
} from "./instants.ts";

interface LastWrite {
  readonly found: boolean;
  readonly icount: number;
  readonly change: string;
  readonly by: string;
}

function activeSession(): vscode.DebugSession | undefined {
  const session = vscode.debug.activeDebugSession;
  return session?.type === "ringside" ? session : undefined;
}

/** A request of the user's; what is wrong with it is said in a message. */
async function ask<T>(request: string, args: object = {}): Promise<T | undefined> {
  try {
    return (await activeSession()?.customRequest(request, args)) as T | undefined;
  } catch (error) {
    void vscode.window.showErrorMessage(`Ringside: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** A command of the debug console. */
const tell = (expression: string) => ask<{ result: string }>("evaluate", { expression, context: "repl" });

export const stepBackInto = () => step("ringside/stepBackInto");
export const stepBackOut = () => step("ringside/stepBackOut");

const HINT_MILLISECONDS = 5000;

/** A step that cannot be made, because there is no caller for instance, is no reason for a message. */
async function step(request: string): Promise<void> {
  try {
    await activeSession()?.customRequest(request, { threadId: threadId() });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    vscode.window.setStatusBarMessage(`$(info) Ringside: ${text}`, HINT_MILLISECONDS);
  }
}
const threadId = () => vscode.debug.activeStackItem?.threadId;

/** To the line of the cursor, or the one whose number was clicked. */
export async function runBackTo(given: unknown): Promise<void> {
  const clicked = given as { uri?: vscode.Uri; lineNumber?: number } | undefined;
  const editor = vscode.window.activeTextEditor;
  const uri = clicked?.uri ?? editor?.document.uri;
  const line = clicked?.lineNumber ?? (editor?.selection.active.line ?? 0) + 1;
  if (uri !== undefined) await ask("ringside/runBackTo", { source: sourceOf(uri), line });
}

const goTo = (icount: number) => ask("ringside/goToInstruction", { icount });

async function bookmarks(): Promise<{ name: string; icount: number }[]> {
  return bookmarksIn((await tell("bookmark"))?.result ?? "");
}

/** By number or bookmark: what is typed stands above the bookmarks. */
export async function goToInstruction(): Promise<void> {
  const now = await ask<Instant>("ringside/time");
  if (now === undefined) return;
  const marks = (await bookmarks()).map(({ name, icount }) => ({ label: name, description: grouped(icount), icount }));
  const picker = vscode.window.createQuickPick<vscode.QuickPickItem & { icount: number }>();
  picker.title = "Go to Instant";
  picker.placeholder = `An instruction's number, from ${grouped(now.start)} on; this is ${grouped(now.icount)}`;
  const typed = () => {
    const icount = instructionNumber(picker.value);
    picker.items =
      icount === undefined ? marks : [{ label: `Instruction ${grouped(icount)}`, alwaysShow: true, icount }];
  };
  typed();
  picker.onDidChangeValue(typed);
  picker.onDidHide(() => picker.dispose());
  picker.onDidAccept(() => {
    const [chosen] = picker.selectedItems;
    picker.hide();
    if (chosen !== undefined) void goTo(chosen.icount);
  });
  picker.show();
}

export async function addBookmark(): Promise<void> {
  const now = await ask<Instant>("ringside/time");
  if (now === undefined) return;
  const name = await vscode.window.showInputBox({
    title: "Bookmark This Instant",
    prompt: `A name for the instant before instruction ${grouped(now.icount)}`,
    validateInput: (text) => (/^\s*$|^\s*[\d,_ ]+$/.test(text) ? "A name, not a number" : undefined),
  });
  if (name !== undefined) await tell(`bookmark ${name.trim()}`);
}

/** Of a variable, a field of a view, or what the user names. */
export async function lastWriter(given: unknown): Promise<void> {
  const expression = expressionOf((given ?? {}) as MenuContext) ?? (await nameExpression());
  if (expression === undefined) return;
  const answer = await ask<LastWrite>("ringside/lastWriter", { expression });
  if (answer === undefined) return;
  if (!answer.found) {
    await vscode.window.showInformationMessage(`${expression} has not been written since history began.`);
    return;
  }
  const text = `${expression}: ${answer.change} by ${answer.by}, instruction ${grouped(answer.icount)}`;
  if ((await vscode.window.showInformationMessage(text, "Go There")) !== undefined) await goTo(answer.icount);
}

function nameExpression(): Thenable<string | undefined> {
  const editor = vscode.window.activeTextEditor;
  const selected = editor?.document.getText(editor.selection);
  return vscode.window.showInputBox({
    title: "Who Last Wrote This?",
    prompt: "A register, a kernel field or memory: rsp, TS_COMPAT, dword [count]",
    ...(selected && !selected.includes("\n") && { value: selected }),
  });
}

/** The status bar's item: shown while a session of ours is the active one. */
export class InstantItem implements vscode.DebugAdapterTrackerFactory, vscode.Disposable {
  readonly #item = vscode.window.createStatusBarItem("ringside.instant", vscode.StatusBarAlignment.Left, 50);
  readonly #subscriptions: vscode.Disposable[];

  constructor() {
    this.#item.name = "Ringside: Instant";
    this.#item.command = "ringside.goToInstruction";
    this.#subscriptions = [
      this.#item,
      vscode.debug.registerDebugAdapterTrackerFactory("ringside", this),
      vscode.debug.onDidChangeActiveDebugSession((session) => this.#activate(session)),
    ];
  }

  dispose(): void {
    for (const subscription of this.#subscriptions) subscription.dispose();
  }

  createDebugAdapterTracker(session: vscode.DebugSession): vscode.DebugAdapterTracker {
    return {
      onDidSendMessage: ({ event }: { event?: string }) => {
        if (event === "stopped" || event === "ringside/changed") void this.#show(session);
        else if (event === "terminated") this.#item.hide();
      },
    };
  }

  #activate(session: vscode.DebugSession | undefined): void {
    if (session?.type === "ringside") void this.#show(session);
    else this.#item.hide();
  }

  async #show(session: vscode.DebugSession): Promise<void> {
    if (vscode.debug.activeDebugSession !== session) return;
    try {
      const now = (await session.customRequest("ringside/time")) as Instant;
      this.#item.text = `$(history) ${instantText(now)}`;
      this.#item.tooltip = instantHelp(now);
      this.#item.backgroundColor = isPast(now) ? new vscode.ThemeColor("statusBarItem.warningBackground") : undefined;
      this.#item.show();
    } catch {
      // it runs, or has not begun: the next stop tells
    }
  }
}
