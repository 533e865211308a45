/**
 * Going back in a real VS Code: the keys, the toolbar and the menus; running back to the cursor, going to an instant, bookmarks, "Who last wrote
 * this?" of a variable and of a row of the Kernel State view; the status bar's number.
 */
import { readFileSync } from "node:fs";
import path from "node:path";
import { expect, it } from "vitest";
import type { Editor } from "./editor.ts";
import { openEditor } from "./opened.ts";
import { root } from "./stage.ts";
import { describeKinds } from "./tools.ts";

const program = "mixed-mode.asm";
const text = readFileSync(path.join(root, "scenarios", "mixed-mode", program), "utf8").split("\n");
/** The first line, from 1, of the program with code. */
const first = 2 + text.findIndex((line) => /^_start:/.test(line));

describeKinds("time travel in the workbench", (kind) => {
  let editor: Editor;
  openEditor(
    "time",
    kind,
    (opened) => (editor = opened),
    () => ({ size: { width: 1600, height: 960 } }),
  );

  const instant = () => editor.instant();
  const step = (key: string) => editor.step(key);
  const settles = (what: string, check: (now: number) => boolean) =>
    editor.until(what, async () => check(await instant()));

  it("counts instructions in the status bar, forwards and backwards", async () => {
    await editor.openFile("mixed-mode", program);
    await editor.startDebugging();
    await editor.stopped();
    await settles("a number", (now) => now > 0);
    const begin = await instant();
    await editor.focusSource();
    for (let steps = 0; steps < 3; steps++) await step("F10");
    expect(await instant()).toBeGreaterThan(begin + 2);
    const far = await instant();
    await step("Alt+F10");
    const back = await instant();
    expect(back).toBeLessThan(far);
    await step("Alt+F11");
    expect(await instant()).toBeLessThan(back);
    await editor.picture(`time-${kind}`);
  });

  it("goes to an instant by number, and names it", async () => {
    const here = await instant();
    await editor.command("Ringside: Bookmark This Instant");
    await editor.page.locator(".quick-input-title", { hasText: "Bookmark This Instant" }).waitFor();
    await editor.page.keyboard.type("my place");
    await editor.press("Enter");
    await editor.page.locator(".quick-input-widget").waitFor({ state: "hidden" });
    await editor.command("Ringside: Go to Instant");
    await editor.page.locator(".quick-input-title", { hasText: "Go to Instant" }).waitFor();
    await editor.page.keyboard.type(String(here + 2));
    await editor.page.locator(".quick-input-list .monaco-list-row", { hasText: "Instruction" }).first().waitFor();
    await editor.picture(`go-to-instant-${kind}`);
    await editor.press("Enter");
    await settles("the instant", (now) => now === here + 2);
    await editor.command("Ringside: Go to Instant");
    await editor.pick("my place");
    await settles("the bookmark", (now) => now === here);
  });

  it("says who last wrote a register, and goes there", async () => {
    await editor.focusSource();
    for (let steps = 0; steps < 3; steps++) await step("F10");
    const here = await instant();
    await editor.page
      .locator(".debug-variables .monaco-list-row", { hasText: "rsp" })
      .first()
      .click({ button: "right" });
    await editor.page.locator(".monaco-menu .action-label", { hasText: "Who Last Wrote This?" }).first().waitFor();
    await editor.picture(`variable-menu-${kind}`);
    await editor.page.locator(".monaco-menu .action-label", { hasText: "Who Last Wrote This?" }).first().click();
    const message = editor.page.locator(".notification-toast", { hasText: "rsp: " }).first();
    await message.waitFor();
    await editor.picture(`who-${kind}`);
    await message.locator(".monaco-button", { hasText: "Go There" }).click();
    await settles("the write", (now) => now < here);
  });

  it("says who last changed a row of the Kernel State view, by its menu", async () => {
    await editor.stopped();
    const here = await instant();
    await editor.command("Ringside: Open Kernel State to the Side");
    const view = await editor.view(
      "body.editor [data-name=SYSCALL_WORK_SECCOMP], body.editor [data-name=TIF_NEED_RESCHED]",
    );
    await view.locator("[data-name=sp]").first().click({ button: "right" });
    const item = editor.page.locator(".monaco-menu .action-label", { hasText: "Who Last Wrote This?" }).first();
    await item.waitFor();
    await editor.picture(`row-menu-${kind}`);
    await item.click();
    const message = editor.page.locator(".notification-toast", { hasText: "pt_regs.sp: " }).first();
    await message.waitFor();
    await message.locator(".monaco-button", { hasText: "Go There" }).click();
    await settles("the write", (now) => now < here);
    await editor.focusSource();
  });

  it("runs back to the cursor's line", async () => {
    // the write was the kernel's, in a source of its own
    await editor.stopped();
    await editor.page.locator(".debug-call-stack .monaco-list-row", { hasText: "_start" }).first().click();
    await editor.page.locator(".tab.active", { hasText: program }).waitFor();
    await editor.reveal(first);
    await editor.command("Ringside: Run Back to Cursor");
    await editor.stopped(first);
    expect(await instant()).toBeGreaterThan(0);
    await editor.press("Shift+F5");
    await editor.ended();
  });
});
