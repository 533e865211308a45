/**
 * Two programs in one process in a real VS Code: a breakpoint in the second one's source waits until execve begins it; Step Over at the execve
 * shows the second source, Step Back the first one again.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import type { Editor } from "./editor.ts";
import { openEditor } from "./opened.ts";
import { root } from "./stage.ts";
import { describeKinds } from "./tools.ts";

const [first, second] = ["execve.asm", "second.asm"] as const;
/** The first line, from 1, with such a text. */
const lineOf = (file: string, text: RegExp): number =>
  1 +
  readFileSync(path.join(root, "scenarios", "execve", file), "utf8")
    .split("\n")
    .findIndex((line) => text.test(line));
const away = lineOf(first, /Step Over: the next line/);
const entry = 1 + lineOf(second, /^_start:/);
const receive = 1 + lineOf(second, /^receive:/);

describeKinds("a program that execve begins, in the workbench", (kind) => {
  let editor: Editor;
  openEditor(
    "execve",
    kind,
    (opened) => (editor = opened),
    () => ({ size: { width: 1600, height: 960 } }),
  );

  const stoppedIn = async (file: string, line: number) => {
    await editor.page.locator(".tab.active", { hasText: file }).waitFor();
    await editor.stopped(line);
  };
  const topFrame = () => editor.page.locator(".debug-call-stack .monaco-list-row .stack-frame").first().textContent();

  it("is stepped into by Step Over, and left by Step Back", async () => {
    await editor.openFile("execve", second);
    await editor.reveal(receive);
    await editor.setBreakpoint(receive);
    await editor.openFile(first);
    await editor.reveal(away);
    await editor.setBreakpoint(away);
    await editor.startDebugging();
    await editor.stopped();
    await editor.focusSource();
    await editor.step("F5");
    await stoppedIn(first, away);
    expect(await topFrame()).toContain("64-bit");
    await editor.step("F10");
    await stoppedIn(second, entry);
    await editor.until("the new program's frame", async () => /_start.*32-bit/.test((await topFrame()) ?? ""));
    await editor.picture(`execve-${kind}`);
    await editor.step("Alt+F10");
    await stoppedIn(first, away);
    await editor.until("the old program's frame", async () => /64-bit/.test((await topFrame()) ?? ""));
    await editor.picture(`execve-back-${kind}`);
  });

  it("stops at the breakpoint that has waited for it", async () => {
    await editor.step("F5");
    await stoppedIn(second, receive);
    await editor.picture(`execve-breakpoint-${kind}`);
    await editor.press("Shift+F5");
    await editor.ended();
  });
});
