/**
 * A program with mistakes in it does not start. The adapter has printed them, each with its place; VS Code alone would put up a box that offers
 * launch.json, which is not where they are.
 */
import * as vscode from "vscode";

interface Failure {
  readonly type: string;
  readonly command?: string;
  readonly success?: boolean;
  readonly message?: string;
  readonly body?: { readonly error?: { readonly showUser?: boolean } };
}

const starting = new Set(["launch", "restart"]);

export const launchErrors: vscode.DebugAdapterTrackerFactory = {
  createDebugAdapterTracker: () => ({
    onDidSendMessage: ({ type, command = "", success, message, body }: Failure) => {
      const isOurs = type === "response" && success === false && starting.has(command);
      if (isOurs && message !== undefined && body?.error?.showUser === false) void show(message);
    },
  }),
};

async function show(message: string): Promise<void> {
  const chosen = await vscode.window.showErrorMessage(message, "Show Problems");
  if (chosen !== undefined) await vscode.commands.executeCommand("workbench.actions.view.problems");
}
