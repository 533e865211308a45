/** Whether Step In follows the program into the kernel: two commands on the debug toolbar, for as long as a session lasts. */
import * as vscode from "vscode";

export class KernelStepping implements vscode.Disposable {
  readonly #chosen = new WeakMap<vscode.DebugSession, boolean>();
  readonly #listener = vscode.debug.onDidChangeActiveDebugSession(() => this.#show());

  dispose(): void {
    this.#listener.dispose();
  }

  /** For the active session, from the next step on. */
  async set(enabled: boolean): Promise<void> {
    const session = vscode.debug.activeDebugSession;
    if (session?.type !== "ringside") return;
    await session.customRequest("ringside/stepIntoKernel", { enabled });
    this.#chosen.set(session, enabled);
    this.#show();
  }

  #show(): void {
    const session = vscode.debug.activeDebugSession;
    const enabled = session && (this.#chosen.get(session) ?? session.configuration.stepIntoKernel === true);
    void vscode.commands.executeCommand("setContext", "ringside.stepsIntoKernel", enabled ?? false);
  }
}
