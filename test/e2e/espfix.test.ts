/**
 * The whole path in a real VS Code with the real adapter: opens the espfix scenario, sets a breakpoint by clicking, F5, stops at entry, steps into the
 * kernel, sees TS_COMPAT and TIF flags change in the Kernel State view, ends.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import type { Editor } from "./editor.ts";
import { openEditor } from "./opened.ts";
import { root } from "./stage.ts";
import { describeKinds } from "./tools.ts";

const folder = path.join(root, "scenarios", "espfix");
const scenario = () => JSON.parse(readFileSync(path.join(folder, "scenario.json"), "utf8"));

/** The first line, from 1, of the scenario's program that matches. */
function lineWith(program: string, pattern: RegExp): number {
  const lines = readFileSync(path.join(folder, program), "utf8").split("\n");
  return 1 + lines.findIndex((line) => pattern.test(line));
}

describeKinds("the espfix scenario in the workbench", (kind) => {
  let editor: Editor;
  openEditor(
    "espfix",
    kind,
    (opened) => (editor = opened),
    () => ({
      size: { width: 1600, height: 960 },
      settings: { "workbench.colorTheme": "Default Dark Modern" },
    }),
  );

  it("opens, and stops at entry and at a breakpoint set by a click", async () => {
    const { program } = scenario();
    const line = lineWith(program, /^\s+int\s+\$?0x80\b/);
    await editor.openFile("espfix", program);
    await editor.reveal(line);
    await editor.setBreakpoint(line);
    const from = performance.now();
    await editor.startDebugging();
    await editor.stopped();
    console.log(`${kind}: from F5 to the first stop on the screen ${Math.round(performance.now() - from)} ms`);
    await editor.fold("Watch", "Breakpoints");
    await editor.command("Ringside: Open Kernel State to the Side");
    const view = await editor.view("body.editor [data-name=TS_COMPAT]");
    await view.locator("[data-name=TS_COMPAT].clear").waitFor();
    await editor.focusSource();
    await editor.press("F5");
    await editor.stopped(line);
  });

  it("steps into the kernel and sees TS_COMPAT set", async () => {
    const view = await editor.view("body.editor [data-name=TS_COMPAT]");
    await editor.command("Ringside: Step Into the Kernel");
    await editor.focusSource();
    await editor.press("F11");
    await view.locator(".chip", { hasText: "CPL 0" }).waitFor();
    await editor.picture(`kernel-entry-${kind}`);
    await editor.stepUntil("F11", view, view.locator("[data-name=TS_COMPAT].set"), 40);
    await editor.picture(`ts-compat-${kind}`);
  });

  it("sees TIF_SIGPENDING set", async () => {
    const view = await editor.view("body.editor [data-name=TS_COMPAT]");
    const breakpoint = lineWith(scenario().program, /^\s+int3\b/);
    await editor.openFile(scenario().program);
    await editor.reveal(breakpoint);
    await editor.setBreakpoint(breakpoint);
    await editor.press("F5");
    await editor.stopped(breakpoint);
    await editor.stepUntil("F11", view, view.locator("[data-name=TIF_SIGPENDING].set"), 60);
    expect(await view.locator("[data-name=TIF_SIGPENDING].set").count()).toBe(1);
    await editor.picture(kind === "web" ? "kernel-state" : `tif-${kind}`, kind === "web" ? "readme" : "result");
  });

  it("shows espfix by itself when the program comes to the ministack, and ends", async () => {
    await editor.focusSource();
    await editor.command("Debug Console: Focus on Debug Console View");
    await editor.page.locator(".repl-input-wrapper .monaco-editor").click();
    await editor.page.locator(".repl-input-wrapper .monaco-editor.focused").waitFor();
    await editor.page.keyboard.type("until espfix_on_ministack");
    await editor.press("Enter");
    await editor.view('body.sidebar .chip:has-text("in use")');
    // the focus stays with what the user has in hand, an editor or the console
    expect(await editor.page.evaluate("document.activeElement?.tagName")).not.toBe("IFRAME");
    await editor.picture(`espfix-${kind}`);
    await editor.focusSource();
    await editor.press("Shift+F5");
    await editor.ended();
  });
});
