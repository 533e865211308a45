/** The tree of bundled scenarios in the Run and Debug container: open one, debug it, copy it. */
import * as vscode from "vscode";
import type { Scenario, ScenarioCatalogue } from "./scenarios.ts";

export class ScenarioTree implements vscode.TreeDataProvider<Scenario> {
  readonly #scenarios: ScenarioCatalogue;

  constructor(scenarios: ScenarioCatalogue) {
    this.#scenarios = scenarios;
  }

  getChildren(scenario?: Scenario): Promise<Scenario[]> | Scenario[] {
    return scenario === undefined ? this.#scenarios.list() : [];
  }

  getTreeItem(scenario: Scenario): vscode.TreeItem {
    const item = new vscode.TreeItem(scenario.name);
    item.description = scenario.title;
    item.tooltip = scenario.description;
    item.contextValue = "scenario";
    item.iconPath = new vscode.ThemeIcon("beaker");
    item.command = { command: "ringside.openScenario", title: "Open", arguments: [scenario] };
    return item;
  }
}

/** The scenario a command is about: the tree's item, a name, or the user's pick. */
export async function chooseScenario(scenarios: ScenarioCatalogue, given: unknown): Promise<Scenario | undefined> {
  const all = await scenarios.list();
  const name = typeof given === "string" ? given : (given as Scenario | undefined)?.name;
  if (name !== undefined) return all.find((scenario) => scenario.name === name);
  const items = all.map((scenario) => ({ label: scenario.name, description: scenario.title, scenario }));
  return (await vscode.window.showQuickPick(items, { placeHolder: "Scenario", matchOnDescription: true }))?.scenario;
}

export async function openScenario(scenario: Scenario): Promise<void> {
  await vscode.window.showTextDocument(scenario.program, { preview: false });
}

/** To change and keep it: into a folder that the user names. */
export async function copyScenario(scenario: Scenario, scenarios: ScenarioCatalogue): Promise<void> {
  const chosen = await vscode.window.showOpenDialog({
    canSelectFolders: true,
    canSelectFiles: false,
    openLabel: "Copy here",
    title: `Copy the scenario ${scenario.name}`,
  });
  const target = chosen?.[0];
  if (target === undefined) return;
  for (const file of scenario.files) {
    const bytes = await vscode.workspace.fs.readFile(vscode.Uri.joinPath(scenarios.folder(scenario.name), file));
    await vscode.workspace.fs.writeFile(vscode.Uri.joinPath(target, scenario.name, file), bytes);
  }
  const program = scenario.program.path.slice(scenarios.folder(scenario.name).path.length);
  await vscode.window.showTextDocument(vscode.Uri.joinPath(target, scenario.name, program));
}
