/** What someone sees first: the walkthrough, each step with its picture, and the Run and Debug view without a session. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import type { Editor } from "./editor.ts";
import { openEditor } from "./opened.ts";
import { root } from "./stage.ts";
import { describeKinds } from "./tools.ts";

const { contributes } = JSON.parse(readFileSync(path.join(root, "package.json"), "utf8"));
const [walkthrough] = contributes.walkthroughs as {
  title: string;
  steps: { title: string }[];
}[];

/** Runs in the page. */
const fills = (all: unknown[]): string[] => {
  const page = globalThis as unknown as { getComputedStyle(element: unknown): { fill: string } };
  return all.map((each) => page.getComputedStyle(each).fill);
};
/** What is drawn whose style the editor has thrown away. */
const BLACK = "rgb(0, 0, 0)";

describeKinds("the welcome of the workbench", (kind) => {
  let editor: Editor;
  openEditor(
    "welcome",
    kind,
    (opened) => (editor = opened),
    () => ({
      size: { width: 1440, height: 900 },
      settings: { "workbench.colorTheme": kind === "web" ? "Default Dark Modern" : "Default Light Modern" },
    }),
  );

  it("walks through every step, each with its picture", async () => {
    await editor.command("Welcome: Open Walkthrough...");
    await editor.pick(walkthrough!.title);
    for (const [i, { title }] of walkthrough!.steps.entries()) {
      const step = editor.page.locator(".getting-started-step", { hasText: title }).first();
      await step.waitFor();
      if ((await step.getAttribute("class"))?.includes("expanded") !== true) await step.locator(".step-title").click();
      const expanded = editor.page.locator(".getting-started-step.expanded", { hasText: title });
      await expanded.waitFor();
      // marks of a text's style are not to be seen as such
      expect(await expanded.textContent()).not.toMatch(/[*`]\w/);
      await editor.until("the step's picture in the editor's colours", async () => {
        // each step's is a page of its own
        const picture = await editor.view("svg[aria-label] text");
        const colours = await picture.locator("svg[aria-label] rect, svg[aria-label] text").evaluateAll(fills);
        return colours.length > 2 && colours.every((colour) => colour !== BLACK);
      });
      await editor.picture(`walkthrough-${i}-${kind}`);
    }
  });

  it("offers a scenario, and the open file, where nothing is debugged", async () => {
    await editor.command("View: Show Run and Debug");
    await editor.page.locator(".welcome-view .monaco-button", { hasText: "Debug a Ringside Scenario" }).waitFor();
    await editor.picture(`welcome-${kind}`);
    await editor.openFile("espfix", "espfix.asm");
    await editor.command("View: Show Run and Debug");
    await editor.page.locator(".welcome-view .monaco-button", { hasText: "Debug File" }).waitFor();
    await editor.picture(`welcome-file-${kind}`);
    await editor.page.locator(".welcome-view .monaco-button", { hasText: "Debug File" }).click();
    await editor.stopped();
    // beside the line that comes next, what it is about to use
    await editor.page.locator(".monaco-editor .view-line", { hasText: "rsp = 0x7" }).first().waitFor();
    await editor.press("Shift+F5");
    await editor.ended();
  });

  it("says a program's mistakes without a word of launch.json", async () => {
    await editor.focusSource();
    await editor.press("Control+Home");
    await editor.page.keyboard.type("mvo eax, 3\n");
    await editor.press("F5");
    const message = editor.page.locator(".notification-toast", { hasText: "espfix.asm has an error: 1:1" }).first();
    await message.waitFor();
    expect(await editor.page.locator(".monaco-dialog-box").count()).toBe(0);
    await message.locator(".monaco-button", { hasText: "Show Problems" }).click();
    await editor.page.locator(".markers-panel .monaco-list-row", { hasText: "'mvo' is not an instruction" }).waitFor();
  });

  it("shows a program that has run past its code where it is, in the disassembly", async () => {
    await editor.focusSource();
    await editor.press("Control+a");
    await editor.page.keyboard.type("global _start\n_start: mov eax, 7\n");
    await editor.startDebugging();
    await editor.stopped(2);
    await editor.press("F5");
    await editor.page.getByText("add [rax], al").first().waitFor();
    await editor.page.locator(".debug-variables .monaco-list-row", { hasText: "rax" }).first().waitFor();
    await editor.picture(`off-the-end-${kind}`);
    await editor.press("F5");
    await editor.ended();
  });
});
