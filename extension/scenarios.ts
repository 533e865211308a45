/**
 * The scenarios bundled with the extension: scenarios/NAME/ with scenario.json (title, description, program, launch settings), the
 * program and a README. dist/scenarios.json lists their files, because a web extension cannot list a folder.
 */
import * as vscode from "vscode";
import { type LaunchSettings, withUris } from "./launch.ts";
import { readUri } from "./uris.ts";

export interface Scenario {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  /** Paths below the scenario's folder. */
  readonly files: readonly string[];
  readonly program: vscode.Uri;
  readonly launch: LaunchSettings;
}

interface ScenarioFile {
  readonly title?: string;
  readonly description?: string;
  readonly program?: string;
  readonly launch?: LaunchSettings;
}

async function readJson<T>(uri: vscode.Uri): Promise<T | undefined> {
  const bytes = await readUri(uri.toString());
  if (bytes === undefined) return undefined;
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) as T;
  } catch {
    return undefined;
  }
}

function launchOf(file: ScenarioFile, folder: vscode.Uri): LaunchSettings {
  const program = file.program ?? file.launch?.program;
  return withUris({ ...file.launch, ...(program !== undefined && { program }) }, (place) =>
    vscode.Uri.joinPath(folder, place).toString(),
  );
}

export class ScenarioCatalogue {
  readonly #index: vscode.Uri;
  readonly #root: vscode.Uri;
  #all: Promise<Scenario[]> | undefined;

  /** `root` is where the scenarios' files can be opened: the extension's folder, or the virtual file system of the web. */
  constructor(index: vscode.Uri, root: vscode.Uri) {
    this.#index = index;
    this.#root = root;
  }

  list(): Promise<Scenario[]> {
    this.#all ??= this.#load();
    return this.#all;
  }

  async find(name: string): Promise<Scenario | undefined> {
    return (await this.list()).find((scenario) => scenario.name === name);
  }

  folder(name: string): vscode.Uri {
    return vscode.Uri.joinPath(this.#root, name);
  }

  /** Launch settings of the scenario whose program this is, bundled or copied. */
  async settingsBeside(program: string): Promise<LaunchSettings | undefined> {
    const folder = vscode.Uri.joinPath(vscode.Uri.parse(program), "..");
    const file = await readJson<ScenarioFile>(vscode.Uri.joinPath(folder, "scenario.json"));
    const launch = file === undefined ? undefined : launchOf(file, folder);
    return launch?.program === vscode.Uri.parse(program).toString() ? launch : undefined;
  }

  async #load(): Promise<Scenario[]> {
    const index = (await readJson<Record<string, string[]>>(this.#index)) ?? {};
    const all = await Promise.all(Object.entries(index).map(([name, files]) => this.#read(name, files)));
    return all.filter((scenario) => scenario !== undefined);
  }

  async #read(name: string, files: readonly string[]): Promise<Scenario | undefined> {
    const folder = this.folder(name);
    const file = await readJson<ScenarioFile>(vscode.Uri.joinPath(folder, "scenario.json"));
    if (file === undefined) return undefined;
    const launch = launchOf(file, folder);
    if (launch.program === undefined) return undefined;
    const { title = name, description = "" } = file;
    return { name, title, description, files, program: vscode.Uri.parse(launch.program), launch };
  }
}
