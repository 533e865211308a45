/**
 * The editor's side with the mock adapter, in both kinds of VS Code: activation, F5 without launch.json, breakpoints by clicking, the worker's or
 * process's plumbing with files, diagnostics as one types, the views and their marks, the end of a session.
 */
import { expect, it } from "vitest";
import type { Editor } from "./editor.ts";
import { openEditor } from "./opened.ts";
import { mockExtension } from "./stage.ts";
import { describeKinds } from "./tools.ts";

describeKinds("the workbench with a mock adapter", (kind) => {
  let editor: Editor;
  openEditor(
    "mock",
    kind,
    (opened) => (editor = opened),
    async () => ({
      extensions: [await mockExtension()],
      settings: { "workbench.colorTheme": kind === "web" ? "Default Dark Modern" : "Default Light Modern" },
    }),
  );

  it("F5 on an open file starts it and stops at its first instruction", async () => {
    await editor.openFile("espfix", "espfix.S");
    await editor.setBreakpoint(8);
    await editor.startDebugging();
    await editor.stopped(4);
  });

  it("shows Kernel State and marks what a step into the kernel changed", async () => {
    await editor.fold("Watch", "Breakpoints", "Variables");
    await editor.command("Ringside: Show Kernel State");
    const view = await editor.view("[data-name=TS_COMPAT]");
    expect(await view.locator("[data-name=TS_COMPAT]").getAttribute("class")).toContain("clear");
    await editor.focusSource();
    for (const line of [5, 6]) {
      await editor.press("F10");
      await editor.stopped(line);
    }
    await editor.press("F11");
    await view.locator("[data-name=TS_COMPAT].set.changed").waitFor();
    await view.locator("[data-name=TIF_SIGPENDING].set.changed").waitFor();
    expect(await view.locator(".row.changed").count()).toBeLessThan(6);
    await editor.picture(`mock-kernel-state-${kind}`);
    await editor.press("F11");
    await view.locator("[data-name=TS_COMPAT].clear.changed").waitFor();
  });

  it("explains a flag to the keyboard", async () => {
    const view = await editor.view("[data-name=TS_COMPAT]");
    await view.locator("[data-name=TS_COMPAT]").focus();
    await editor.press("ArrowDown");
    await view.locator("#help", { hasText: "TIF_SIGPENDING" }).waitFor();
    await editor.focusSource();
  });

  it("shows espfix", async () => {
    await editor.command("Ringside: Show espfix");
    const view = await editor.view("table.walk");
    await view.locator("[data-name=SP]").waitFor();
    await editor.picture(`mock-espfix-${kind}`);
    await editor.focusSource();
  });

  it("opens Kernel State as an editor beside the source", async () => {
    await editor.command("Ringside: Open Kernel State to the Side");
    const view = await editor.view("body.editor [data-name=orig_ax]");
    await view.locator("[data-name=TS_COMPAT]").waitFor();
    await editor.picture(`mock-beside-${kind}`);
    await editor.focusSource();
  });

  it("runs to the breakpoint, runs on, pauses, ends", async () => {
    await editor.press("F5");
    await editor.stopped(8);
    await editor.press("F5");
    await editor.running();
    await editor.press("F6");
    await editor.stopped();
    await editor.press("Shift+F5");
    await editor.ended();
  });

  it("debugs a scenario from the command palette", async () => {
    await editor.command("Ringside: Debug Scenario");
    await editor.pick("espfix");
    await editor.stopped(4);
    await editor.press("Shift+F5");
    await editor.ended();
  });

  it("offers configurations without a launch.json, and finds the open file of one", async () => {
    await editor.openFile("espfix.S");
    await editor.command("Debug: Select and Start Debugging");
    await editor.pick("Ringside...");
    await editor.pick("Debug the open file into the kernel");
    await editor.stopped(4);
    await editor.page.locator(".repl", { hasText: '"stepIntoKernel":true' }).waitFor();
    await editor.press("Shift+F5");
    await editor.ended();
  });

  it("shows the language server's diagnostics as one types", async () => {
    await editor.focusSource();
    await editor.press("Control+End");
    await editor.page.keyboard.type("nonsense");
    await editor.page.locator(".monaco-editor .squiggly-error").first().waitFor();
  });
});
