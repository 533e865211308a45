/** Between what users and VS Code write (paths, URIs, ${file}) and the URIs that adapter and extension exchange. */
import * as vscode from "vscode";

const scheme = /^[a-z][a-z0-9+.-]+:/i; // two letters at least: "C:\x.s" is a path

export const assemblyLanguages: readonly string[] = [
  "ringside-gas",
  "ringside-nasm",
  "asm",
  "nasm",
  "gas",
  "masm",
  "asm-collection",
  "asm-intel-x86-generic",
  "platformio-debug.asm",
  "gnuassembler",
];

/** The assembly file in the active editor, or in the only visible one that has one. */
export function openAssemblyFile(): vscode.Uri | undefined {
  const editors = [vscode.window.activeTextEditor, ...vscode.window.visibleTextEditors];
  return editors.find((editor) => editor && assemblyLanguages.includes(editor.document.languageId))?.document.uri;
}

/** `${file}` loses the scheme of a virtual file: an open document or the folder gives it back. */
export function resolveUri(pathOrUri: string, folder: vscode.WorkspaceFolder | undefined): string {
  if (scheme.test(pathOrUri)) return pathOrUri;
  const path = pathOrUri.replaceAll("\\", "/");
  const absolute = /^\/|^[a-z]:\//i.test(path);
  const base = folder?.uri ?? vscode.workspace.workspaceFolders?.[0]?.uri;
  if (!absolute) return (base === undefined ? vscode.Uri.file(path) : vscode.Uri.joinPath(base, path)).toString();
  const open = vscode.workspace.textDocuments.find(({ uri }) => uri.fsPath === pathOrUri || uri.path === path);
  if (open !== undefined) return open.uri.toString();
  return (base === undefined || base.scheme === "file" ? vscode.Uri.file(pathOrUri) : base.with({ path })).toString();
}

/** A file's bytes, through VS Code: works for every scheme that it can open, unsaved new files included. */
export async function readUri(uri: string): Promise<Uint8Array | undefined> {
  const parsed = vscode.Uri.parse(uri);
  try {
    return await vscode.workspace.fs.readFile(parsed);
  } catch {
    const open = vscode.workspace.textDocuments.find((document) => document.uri.toString() === parsed.toString());
    return open === undefined ? undefined : new TextEncoder().encode(open.getText());
  }
}

/** Every file below a folder by its path from there; what symbolic links lead to is not followed. A text says why there is none. */
export async function readTree(uri: string, mostBytes: number): Promise<Record<string, Uint8Array> | string> {
  const files: Record<string, Uint8Array> = {};
  let left = mostBytes;
  const walk = async (folder: vscode.Uri, path: string): Promise<void> => {
    for (const [name, type] of await vscode.workspace.fs.readDirectory(folder)) {
      const below = vscode.Uri.joinPath(folder, name);
      if (type === vscode.FileType.Directory) await walk(below, `${path}/${name}`);
      if (type !== vscode.FileType.File) continue;
      const bytes = await vscode.workspace.fs.readFile(below);
      left -= bytes.length;
      if (left < 0) throw new Error(`it holds more than ${mostBytes} bytes`);
      files[`${path}/${name}`] = bytes;
    }
  };
  try {
    await walk(vscode.Uri.parse(uri), "");
    return files;
  } catch (error) {
    return (error as Error).message;
  }
}
