/** A VS Code window in Chromium, driven the way a person drives it: keys, clicks, what can be seen. */
import { mkdirSync } from "node:fs";
import path from "node:path";
import { type Browser, chromium, type Locator, type Page } from "playwright-core";
import { root } from "./stage.ts";
import { chromiumPath } from "./tools.ts";

export class Editor {
  readonly page: Page;
  /** What the window's console said: errors, for a failing test's message. */
  readonly log: string[] = [];
  readonly #browser: Browser;

  constructor(browser: Browser, page: Page) {
    this.#browser = browser;
    this.page = page;
    page.on("console", (message) => this.log.push(`${message.type()}: ${message.text()}`));
    page.on("pageerror", (error) => this.log.push(`page error: ${error.message}`));
  }

  static async open(url: string, size = { width: 1440, height: 1000 }): Promise<Editor> {
    const browser = await chromium.launch({
      executablePath: chromiumPath,
      args: ["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
    });
    const editor = new Editor(browser, await browser.newPage({ viewport: size }));
    editor.page.setDefaultTimeout(20_000);
    await editor.page.goto(url, { timeout: 60_000 });
    await editor.page
      .locator(".monaco-workbench .explorer-folders-view .monaco-list-row")
      .first()
      .waitFor({ timeout: 60_000 });
    return editor;
  }

  close(): Promise<void> {
    return this.#browser.close();
  }

  /** Runs a command by its title in the command palette; opened once more if something else took the focus from it. */
  async command(title: string): Promise<void> {
    const input = this.page.locator(".quick-input-widget .quick-input-filter input");
    const row = this.page.locator(".quick-input-list .monaco-list-row").filter({ hasText: title }).first();
    await this.until(`the command ${title}`, async () => {
      await this.press("F1");
      await input.fill(`>${title}`, { timeout: 3000 });
      await row.click({ timeout: 3000 });
      return true;
    });
  }

  /** Picks an entry of the open quick pick. */
  async pick(label: string): Promise<void> {
    await this.page.locator(".quick-input-list .monaco-list-row").filter({ hasText: label }).first().click();
  }

  async openScenario(name: string): Promise<void> {
    await this.command("Ringside: Open Scenario");
    await this.pick(name);
    await this.page.locator(".monaco-editor .view-lines .view-line").first().waitFor();
  }

  /** Opens a file by clicking through the explorer. */
  async openFile(...steps: string[]): Promise<void> {
    await this.press("Control+Shift+e");
    for (const step of steps)
      await this.page.locator(".explorer-folders-view .monaco-list-row").filter({ hasText: step }).first().click();
    await this.page
      .locator(".tab.active")
      .filter({ hasText: steps.at(-1)! })
      .waitFor();
    await this.page.locator(".monaco-editor .view-lines .view-line").first().waitFor();
  }

  lineNumber(line: number): Locator {
    return this.page
      .locator(".monaco-editor .margin-view-overlays .line-numbers", { hasText: new RegExp(`^${line}$`) })
      .first();
  }

  /** Number, from 1, of the first line on screen that contains the text. */
  async lineOf(text: string): Promise<number> {
    const line = this.page.locator(".monaco-editor .view-lines .view-line").filter({ hasText: text }).first();
    const box = await line.boundingBox();
    if (box === null) throw new Error(`no line with "${text}"`);
    for (const number of await this.page.locator(".monaco-editor .margin-view-overlays .line-numbers").all()) {
      const at = await number.boundingBox();
      if (at !== null && Math.abs(at.y - box.y) < 4) return Number(await number.textContent());
    }
    throw new Error(`no line number beside "${text}"`);
  }

  /** Whether the gutter shows such an icon beside the line. */
  async gutterShows(icon: string, line: number): Promise<boolean> {
    const number = await this.lineNumber(line).boundingBox({ timeout: 1000 });
    for (const mark of await this.page.locator(`.monaco-editor .margin .codicon-${icon}`).all()) {
      const at = await mark.boundingBox({ timeout: 1000 });
      if (at !== null && number !== null && Math.abs(at.y - number.y) < 4) return true;
    }
    return false;
  }

  /** Clicks the gutter left of the line number, once the editor has offered the breakpoint there. */
  async setBreakpoint(line: number): Promise<void> {
    const number = await this.lineNumber(line).boundingBox();
    if (number === null) throw new Error(`line ${line} is not on screen`);
    const [x, y] = [number.x - 10, number.y + number.height / 2];
    await this.until("the offer of a breakpoint", async () => {
      await this.page.mouse.move(x, y - 2);
      await this.page.mouse.move(x, y);
      return this.gutterShows("debug-hint", line);
    });
    await this.page.mouse.click(x, y);
    await this.until("the breakpoint", () => this.gutterShows("debug-breakpoint", line));
  }

  /** F5. Pressed before VS Code knows any debugger, it only opens a view: then once more. */
  async startDebugging(): Promise<void> {
    const toolbar = this.page.locator(".debug-toolbar");
    await this.until("a session", async () => {
      await this.focusSource();
      await this.press("F5");
      return toolbar.waitFor({ timeout: 8000 }).then(() => true);
    });
  }

  /** Waits until the debugger is stopped, at that line if one is given. */
  async stopped(line?: number): Promise<void> {
    await this.page.locator(".debug-toolbar .codicon-debug-continue").waitFor();
    if (line === undefined) return;
    await this.until(`the mark at line ${line}`, async () => {
      const icons = ["debug-stackframe", "debug-breakpoint-stackframe-dot", "debug-stackframe-focused"];
      for (const icon of icons) if (await this.gutterShows(icon, line)) return true;
      return false;
    });
  }

  /** The number of the instruction that comes next, in the status bar. */
  async instant(): Promise<number> {
    const shown = await this.page
      .locator("#ringside\\.ringside\\.instant, [id*='ringside.instant']")
      .first()
      .textContent();
    return Number((shown ?? "").trim().split(" ")[0]!.replaceAll(",", ""));
  }

  /** Presses a step's key, and waits for the number of the next stop. A key that comes while the editor still thinks that the program runs is lost. */
  async step(key: string): Promise<void> {
    const before = await this.instant();
    const moved = async () => (await this.instant()) !== before;
    await this.until(key, async () => {
      await this.stopped();
      await this.press(key);
      return this.until(key, moved, 4000).then(() => true);
    });
  }

  async running(): Promise<void> {
    await this.page.locator(".debug-toolbar .codicon-debug-pause").waitFor();
  }

  async ended(): Promise<void> {
    await this.page.locator(".debug-toolbar").waitFor({ state: "hidden" });
  }

  /** Room for our views: folds the built-in ones that a test does not look at. */
  async fold(...titles: string[]): Promise<void> {
    for (const title of titles) {
      const header = this.page.locator(".debug-viewlet .pane-header.expanded", { hasText: title });
      if ((await header.count()) > 0) await header.first().click();
    }
  }

  /** Scrolls to a line by the Go to Line command. */
  async reveal(line: number): Promise<void> {
    await this.press("Control+g");
    await this.page.locator(".quick-input-widget .quick-input-filter input").fill(`:${line}`);
    await this.press("Enter");
    await this.lineNumber(line).waitFor();
  }

  /** Keys go to the source again, not to a view. */
  focusSource(): Promise<void> {
    return this.page.locator(".monaco-editor .view-lines").first().click();
  }

  /** Presses a step's key until something is to be seen, each time waiting until the view shows the next stop. */
  async stepUntil(key: string, view: Locator, sight: Locator, most: number): Promise<void> {
    const drawn = async () => Number(await view.getAttribute("data-drawn"));
    for (let steps = 0; steps < most; steps++) {
      if ((await sight.count()) > 0) return;
      const before = await drawn();
      await this.press(key);
      await this.until("the view of the next stop", async () => (await drawn()) > before);
    }
    await sight.first().waitFor({ timeout: 1000 });
  }

  press(key: string): Promise<void> {
    return this.page.keyboard.press(key);
  }

  async until(what: string, check: () => Promise<boolean>, timeout = 30_000): Promise<void> {
    const end = Date.now() + timeout;
    for (;;) {
      if (await check().catch(() => false)) return;
      if (Date.now() > end) throw new Error(`waited in vain for ${what}\n${this.log.slice(-20).join("\n")}`);
      await this.page.waitForTimeout(100);
    }
  }

  /** The page of the webview view that has such an element. */
  async view(selector: string): Promise<Locator> {
    let found: Locator | undefined;
    await this.until(`a view with ${selector}`, async () => {
      for (const frame of this.page.frames()) {
        const locator = frame.locator(selector);
        if ((await locator.count().catch(() => 0)) > 0) found = frame.locator("body");
      }
      return found !== undefined;
    });
    return found!;
  }

  /** A picture beside the test results; one that the README shows goes to docs/images when RINGSIDE_PICTURES is set. */
  async picture(name: string, use: "result" | "readme" = "result"): Promise<string> {
    const forReadme = use === "readme" && process.env.RINGSIDE_PICTURES !== undefined;
    const folder = path.join(root, forReadme ? "docs/images" : "node_modules/.cache/ringside/pictures");
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, `${name}.png`);
    await this.page.screenshot({ path: file });
    return file;
  }
}
