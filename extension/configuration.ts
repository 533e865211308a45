/** Launch configurations: F5 with or without launch.json, scenarios, the Run and Debug menu's offers. */
import * as vscode from "vscode";
import { type LaunchSettings, programPlace, withProgram, withScenario, withUris } from "./launch.ts";
import type { ScenarioCatalogue } from "./scenarios.ts";
import { openAssemblyFile, readUri, resolveUri } from "./uris.ts";

/** Says what is wrong without waiting for an answer: until a configuration is there, or is not, VS Code shows that a session is about to begin. */
export class ConfigurationProvider implements vscode.DebugConfigurationProvider {
  readonly #scenarios: ScenarioCatalogue;

  constructor(scenarios: ScenarioCatalogue) {
    this.#scenarios = scenarios;
  }

  async resolveDebugConfiguration(_folder: vscode.WorkspaceFolder | undefined, config: vscode.DebugConfiguration) {
    const complete = withProgram(config, openAssemblyFile()?.toString());
    if (complete === undefined) {
      void vscode.window.showInformationMessage("Ringside: open an assembly file to debug (.s, .S, .asm, .nasm).");
      return undefined;
    }
    return complete as vscode.DebugConfiguration;
  }

  async resolveDebugConfigurationWithSubstitutedVariables(
    folder: vscode.WorkspaceFolder | undefined,
    config: vscode.DebugConfiguration,
  ): Promise<vscode.DebugConfiguration | undefined> {
    const scenario = await this.#scenarioSettings(config, folder);
    if (config.scenario !== undefined && scenario === undefined) {
      void vscode.window.showErrorMessage(`Ringside: there is no scenario named "${config.scenario}".`);
      return undefined;
    }
    const settings = withUris(withScenario(config, scenario), (text) => resolveUri(text, folder));
    if (settings.program !== undefined && (await readUri(settings.program)) === undefined) {
      const place = vscode.workspace.asRelativePath(vscode.Uri.parse(settings.program));
      void vscode.window.showErrorMessage(`Ringside: cannot read the program ${place}.`);
      return undefined;
    }
    return settings as vscode.DebugConfiguration;
  }

  /** Named, or the one whose program this is: F5 on a scenario's file runs it as the scenario means it. */
  async #scenarioSettings(config: LaunchSettings, folder: vscode.WorkspaceFolder | undefined) {
    if (config.scenario !== undefined) return (await this.#scenarios.find(config.scenario))?.launch;
    const program = programPlace(config);
    return program === undefined ? undefined : this.#scenarios.settingsBeside(resolveUri(program, folder));
  }
}

/** VS Code's variable, put in when the configuration is used. */
// biome-ignore lint/suspicious/noTemplateCurlyInString: not JavaScript's
const openFile = "${file}";

/** The offers under "Select and Start Debugging": the open file, and every scenario. */
export class OfferedConfigurations implements vscode.DebugConfigurationProvider {
  readonly #scenarios: ScenarioCatalogue;

  constructor(scenarios: ScenarioCatalogue) {
    this.#scenarios = scenarios;
  }

  async provideDebugConfigurations(): Promise<vscode.DebugConfiguration[]> {
    const launch = (name: string, more: object) => ({ type: "ringside", request: "launch", name, ...more });
    const scenarios = await this.#scenarios.list();
    return [
      launch("Debug the open file", { program: openFile }),
      launch("Debug the open file into the kernel", { program: openFile, stepIntoKernel: true }),
      ...scenarios.map(({ name }) => launch(`Scenario ${name}`, { scenario: name })),
    ];
  }
}
