/** What the extension registers on every host. node.ts and web.ts say where the adapter, the language server and the scenarios are. */
import * as vscode from "vscode";
import type { BaseLanguageClient } from "vscode-languageclient";
import { ConfigurationProvider, OfferedConfigurations } from "./configuration.ts";
import { KernelStepping } from "./kernel-stepping.ts";
import { languageClient } from "./language.ts";
import { launchErrors } from "./launch-errors.ts";
import { chooseScenario, copyScenario, openScenario, ScenarioTree } from "./scenario-tree.ts";
import { ScenarioCatalogue } from "./scenarios.ts";
import { Sessions } from "./sessions.ts";
import { StateView } from "./state-view.ts";
import {
  addBookmark,
  goToInstruction,
  InstantItem,
  lastWriter,
  runBackTo,
  stepBackInto,
  stepBackOut,
} from "./time-travel.ts";
import { openAssemblyFile } from "./uris.ts";
import { registerValues } from "./values.ts";

export interface Host {
  readonly adapter: vscode.DebugAdapterDescriptorFactory;
  readonly createLanguageClient: () => Promise<BaseLanguageClient> | BaseLanguageClient;
  /** Where the scenarios' folders can be opened. */
  readonly scenarios: vscode.Uri;
}

export const scenarioIndex = (extension: vscode.Uri) => vscode.Uri.joinPath(extension, "dist", "scenarios.json");

function debugFile(uri: unknown, noDebug: boolean): Thenable<boolean> {
  const target = uri instanceof vscode.Uri ? uri : openAssemblyFile();
  const folder = target && vscode.workspace.getWorkspaceFolder(target);
  const name = target?.path.split("/").at(-1) ?? "Ringside";
  const configuration = { type: "ringside", request: "launch", name, ...(target && { program: target.toString() }) };
  return vscode.debug.startDebugging(folder, configuration, { noDebug });
}

interface Parts {
  readonly scenarios: ScenarioCatalogue;
  readonly kernelState: StateView;
  readonly espfix: StateView;
  readonly stepping: KernelStepping;
}

function commands({ scenarios, kernelState, espfix, stepping }: Parts): vscode.Disposable[] {
  const register = (name: string, action: (argument: unknown) => unknown) =>
    vscode.commands.registerCommand(`ringside.${name}`, action);
  return [
    register("debugFile", (uri) => debugFile(uri, false)),
    register("runFile", (uri) => debugFile(uri, true)),
    register("openScenario", async (given) => {
      const scenario = await chooseScenario(scenarios, given);
      if (scenario !== undefined) await openScenario(scenario);
    }),
    register("debugScenario", async (given) => {
      const scenario = await chooseScenario(scenarios, given);
      if (scenario === undefined) return;
      await openScenario(scenario);
      const name = `Scenario ${scenario.name}`;
      await vscode.debug.startDebugging(undefined, {
        type: "ringside",
        request: "launch",
        name,
        scenario: scenario.name,
      });
    }),
    register("copyScenario", async (given) => {
      const scenario = await chooseScenario(scenarios, given);
      if (scenario !== undefined) await copyScenario(scenario, scenarios);
    }),
    register("showKernelState", () => vscode.commands.executeCommand("ringside.kernelState.focus")),
    register("showEspfix", () => vscode.commands.executeCommand("ringside.espfix.focus")),
    register("openKernelState", () => kernelState.openBeside()),
    register("openEspfix", () => espfix.openBeside()),
    register("stepIntoKernel", () => stepping.set(true)),
    register("stepOverKernel", () => stepping.set(false)),
    register("stepBackInto", stepBackInto),
    register("stepBackOut", stepBackOut),
    register("runBackTo", runBackTo),
    register("goToInstruction", goToInstruction),
    register("addBookmark", addBookmark),
    register("lastWriter", lastWriter),
  ];
}

export function activateOn(context: vscode.ExtensionContext, host: Host): void {
  const { extensionUri } = context;
  const scenarios = new ScenarioCatalogue(scenarioIndex(extensionUri), host.scenarios);
  const sessions = new Sessions();
  const stepping = new KernelStepping();
  const kernelState = new StateView("kernelState", "Kernel State", extensionUri, sessions);
  const espfix = new StateView("espfix", "espfix", extensionUri, sessions);
  context.subscriptions.push(
    sessions,
    vscode.debug.registerDebugAdapterDescriptorFactory("ringside", host.adapter),
    vscode.debug.registerDebugConfigurationProvider("ringside", new ConfigurationProvider(scenarios)),
    vscode.debug.registerDebugConfigurationProvider(
      "ringside",
      new OfferedConfigurations(scenarios),
      vscode.DebugConfigurationProviderTriggerKind.Dynamic,
    ),
    vscode.window.registerWebviewViewProvider("ringside.kernelState", kernelState),
    vscode.window.registerWebviewViewProvider("ringside.espfix", espfix),
    vscode.window.registerTreeDataProvider("ringside.scenarios", new ScenarioTree(scenarios)),
    languageClient(host.createLanguageClient),
    stepping,
    vscode.debug.registerDebugAdapterTrackerFactory("ringside", launchErrors),
    // folded at the bottom of the side bar it would not be found
    sessions.onDidFirstNeed(
      (kind) => void vscode.commands.executeCommand(`ringside.${kind}.focus`, { preserveFocus: true }),
    ),
    new InstantItem(),
    registerValues(),
    ...commands({ scenarios, kernelState, espfix, stepping }),
  );
}
