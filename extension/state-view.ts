/** Hosts the page of the Kernel State or the espfix view, in the Run and Debug container or as an editor, and keeps it up to date. */
import * as vscode from "vscode";
import type { Sessions, ViewKind } from "./sessions.ts";

function page(webview: vscode.Webview, extension: vscode.Uri, place: "sidebar" | "editor"): string {
  const nonce = crypto.randomUUID().replaceAll("-", "");
  const asset = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(extension, "dist", name));
  const policy = `default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'`;
  return `<!DOCTYPE html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${policy}">
    <link rel="stylesheet" href="${asset("webview.css")}">
  </head>
  <body class="${place}">
    <main id="view"></main>
    <div id="help" aria-live="polite"></div>
    <script nonce="${nonce}" src="${asset("webview.js")}"></script>
  </body>
</html>`;
}

/** The view's or panel's part that both need. */
interface Holder {
  readonly webview: vscode.Webview;
  readonly visible: boolean;
  readonly onDidDispose: vscode.Event<void>;
}

export class StateView implements vscode.WebviewViewProvider {
  readonly #kind: ViewKind;
  readonly #title: string;
  readonly #extension: vscode.Uri;
  readonly #sessions: Sessions;
  #panel: vscode.WebviewPanel | undefined;

  constructor(kind: ViewKind, title: string, extension: vscode.Uri, sessions: Sessions) {
    this.#kind = kind;
    this.#title = title;
    this.#extension = extension;
    this.#sessions = sessions;
  }

  resolveWebviewView(view: vscode.WebviewView): void {
    view.webview.options = this.#options();
    this.#show(view, "sidebar", view.onDidChangeVisibility);
  }

  /** The same page as an editor beside the source: room for all of it. */
  openBeside(): void {
    if (this.#panel !== undefined) {
      this.#panel.reveal(undefined, true);
      return;
    }
    const where = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
    const panel = vscode.window.createWebviewPanel(`ringside.${this.#kind}Editor`, this.#title, where, this.#options());
    const icon = (theme: string) => vscode.Uri.joinPath(this.#extension, "extension", "media", `ring-${theme}.svg`);
    panel.iconPath = { light: icon("light"), dark: icon("dark") };
    panel.onDidDispose(() => {
      this.#panel = undefined;
    });
    this.#panel = panel;
    this.#show(panel, "editor", panel.onDidChangeViewState);
  }

  #options(): vscode.WebviewOptions {
    return { enableScripts: true, localResourceRoots: [vscode.Uri.joinPath(this.#extension, "dist")] };
  }

  #show(holder: Holder, place: "sidebar" | "editor", onDidChangeVisibility: vscode.Event<unknown>): void {
    const { webview } = holder;
    const draw = () => void webview.postMessage(this.#sessions.message(this.#kind));
    const drawIfVisible = () => {
      if (holder.visible) draw();
    };
    const subscriptions = [
      webview.onDidReceiveMessage(draw), // the page says that it is ready
      this.#sessions.onDidUpdate(drawIfVisible),
      onDidChangeVisibility(drawIfVisible),
    ];
    holder.onDidDispose(() => {
      for (const subscription of subscriptions) subscription.dispose();
    });
    webview.html = page(webview, this.#extension, place);
  }
}
