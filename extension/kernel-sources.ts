/** The kernel's own sources by their URIs: VS Code's Disassembly view asks for them so, where everything else takes them from the session. */
import * as vscode from "vscode";

async function provideTextDocumentContent(uri: vscode.Uri): Promise<string> {
  const source = { path: uri.toString(true) };
  const answer = await vscode.debug.activeDebugSession?.customRequest("source", { source, sourceReference: 0 });
  return (answer as { content: string } | undefined)?.content ?? "";
}

export const kernelSources = (): vscode.Disposable =>
  vscode.workspace.registerTextDocumentContentProvider("ringside", { provideTextDocumentContent });
