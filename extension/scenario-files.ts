/**
 * `ringside-scenarios:/scenarios/NAME/FILE`: the bundled scenarios as a folder that a web workbench can open. What the user changes lives in
 * memory for as long as the window does.
 */
import * as vscode from "vscode";

export const scenarioScheme = "ringside-scenarios";
/** The folder to open. */
export const scenarioFolder = vscode.Uri.from({ scheme: scenarioScheme, path: "/scenarios" });

type Entry = Uint8Array | "folder" | "gone";

export class ScenarioFiles implements vscode.FileSystemProvider {
  readonly #changes = new vscode.EventEmitter<vscode.FileChangeEvent[]>();
  readonly onDidChangeFile = this.#changes.event;
  readonly #extension: vscode.Uri;
  readonly #index: Promise<Set<string>>;
  /** What was read, written or deleted; it wins over the bundle. */
  readonly #entries = new Map<string, Entry>();

  constructor(extension: vscode.Uri, index: vscode.Uri) {
    this.#extension = extension;
    this.#index = this.#readIndex(index);
  }

  async #readIndex(uri: vscode.Uri): Promise<Set<string>> {
    const text = new TextDecoder().decode(await vscode.workspace.fs.readFile(uri));
    const index = JSON.parse(text) as Record<string, string[]>;
    return new Set(
      Object.entries(index).flatMap(([name, files]) => files.map((file) => `${scenarioFolder.path}/${name}/${file}`)),
    );
  }

  async #paths(): Promise<string[]> {
    const paths = new Set([...(await this.#index), ...this.#entries.keys()]);
    return [...paths].filter((path) => this.#entries.get(path) !== "gone");
  }

  async #isFolder(path: string): Promise<boolean> {
    if (path === "/" || path === scenarioFolder.path || this.#entries.get(path) === "folder") return true;
    return (await this.#paths()).some((other) => other.startsWith(`${path}/`));
  }

  #changed(type: vscode.FileChangeType, ...uris: vscode.Uri[]): void {
    this.#changes.fire(uris.map((uri) => ({ type, uri })));
  }

  watch(): vscode.Disposable {
    return new vscode.Disposable(() => {});
  }

  async readFile(uri: vscode.Uri): Promise<Uint8Array> {
    const known = this.#entries.get(uri.path);
    if (known instanceof Uint8Array) return known;
    if (known === "gone" || !(await this.#index).has(uri.path)) throw vscode.FileSystemError.FileNotFound(uri);
    const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(this.#extension, uri.path));
    this.#entries.set(uri.path, bytes);
    return bytes;
  }

  async stat(uri: vscode.Uri): Promise<vscode.FileStat> {
    const times = { ctime: 0, mtime: 0 };
    if (await this.#isFolder(uri.path)) return { type: vscode.FileType.Directory, size: 0, ...times };
    return { type: vscode.FileType.File, size: (await this.readFile(uri)).length, ...times };
  }

  async readDirectory(uri: vscode.Uri): Promise<[string, vscode.FileType][]> {
    const prefix = uri.path === "/" ? "/" : `${uri.path}/`;
    const found = new Map<string, vscode.FileType>();
    for (const path of await this.#paths()) {
      if (!path.startsWith(prefix)) continue;
      const [name, ...deeper] = path.slice(prefix.length).split("/");
      const isFolder = deeper.length > 0 || this.#entries.get(path) === "folder";
      found.set(name!, isFolder ? vscode.FileType.Directory : vscode.FileType.File);
    }
    return [...found];
  }

  async writeFile(uri: vscode.Uri, content: Uint8Array): Promise<void> {
    const isNew = !(await this.#paths()).includes(uri.path);
    this.#entries.set(uri.path, content);
    this.#changed(isNew ? vscode.FileChangeType.Created : vscode.FileChangeType.Changed, uri);
  }

  createDirectory(uri: vscode.Uri): void {
    this.#entries.set(uri.path, "folder");
    this.#changed(vscode.FileChangeType.Created, uri);
  }

  async delete(uri: vscode.Uri): Promise<void> {
    for (const path of await this.#paths()) {
      if (path === uri.path || path.startsWith(`${uri.path}/`)) this.#entries.set(path, "gone");
    }
    this.#changed(vscode.FileChangeType.Deleted, uri);
  }

  async rename(from: vscode.Uri, to: vscode.Uri): Promise<void> {
    for (const path of await this.#paths()) {
      if (path !== from.path && !path.startsWith(`${from.path}/`)) continue;
      const entry = this.#entries.get(path) ?? (await this.readFile(from.with({ path })));
      this.#entries.set(to.path + path.slice(from.path.length), entry);
      this.#entries.set(path, "gone");
    }
    this.#changed(vscode.FileChangeType.Deleted, from);
    this.#changed(vscode.FileChangeType.Created, to);
  }
}
