/** Hosts the page of the Kernel State or the espfix view and keeps it up to date. */
import * as vscode from "vscode";
import type { Sessions, ViewKind } from "./sessions.ts";

function page(webview: vscode.Webview, extension: vscode.Uri, nonce: string): string {
  const asset = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(extension, "dist", name));
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <link rel="stylesheet" href="${asset("webview.css")}">
  </head>
  <body>
    <main id="view"></main>
    <div id="help" aria-live="polite"></div>
    <script nonce="${nonce}" src="${asset("webview.js")}"></script>
  </body>
</html>`;
}

export class StateView implements vscode.WebviewViewProvider {
  readonly #kind: ViewKind;
  readonly #extension: vscode.Uri;
  readonly #sessions: Sessions;

  constructor(kind: ViewKind, extension: vscode.Uri, sessions: Sessions) {
    this.#kind = kind;
    this.#extension = extension;
    this.#sessions = sessions;
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    const { webview } = view;
    const draw = () => void webview.postMessage(this.#sessions.message(this.#kind));
    const subscriptions = [
      webview.onDidReceiveMessage(draw), // the page says that it is ready
      this.#sessions.onDidUpdate(() => view.visible && draw()),
      view.onDidChangeVisibility(() => view.visible && draw()),
    ];
    view.onDidDispose(() => {
      for (const subscription of subscriptions) subscription.dispose();
    });
    webview.options = { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(this.#extension, "dist")] };
    webview.html = page(webview, this.#extension, crypto.randomUUID().replaceAll("-", ""));
  }
}
