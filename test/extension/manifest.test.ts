/** package.json against what is really there: files, commands, the launch attributes that the adapter reads, the kernel's designs. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, expect, it } from "vitest";
import { bundles } from "../../scripts/build.mjs";
import { readConfiguration } from "../../src/adapter/debug/configuration.ts";
import { DESIGNS } from "../../src/emu/kernel/designs/design-table.ts";
import { PRESETS } from "../../src/emu/kernel/designs/presets.ts";

const root = path.resolve(import.meta.dirname, "../..");
const read = (file: string) => readFileSync(path.join(root, file), "utf8");
const manifest = JSON.parse(read("package.json"));
const { contributes } = manifest;
const launch = contributes.debuggers[0].configurationAttributes.launch.properties;

const [walkthrough] = contributes.walkthroughs;

const extensionSource = readdirSync(path.join(root, "extension"))
  .filter((name) => name.endsWith(".ts"))
  .map((name) => read(`extension/${name}`))
  .join("\n");

describe("the extension's manifest", () => {
  it("names bundles that are built", () => {
    const built = bundles.flatMap((bundle) => ("outfile" in bundle ? [bundle.outfile] : []));
    for (const entry of [manifest.main, manifest.browser]) expect(built).toContain(path.posix.normalize(entry));
  });

  it("names files that exist", () => {
    const files: string[] = [
      ...contributes.languages.map((language: { configuration: string }) => language.configuration),
      ...contributes.grammars.map((grammar: { path: string }) => grammar.path),
      ...contributes.views.debug.map((view: { icon: string }) => view.icon),
      ...walkthrough.steps.map((step: { media: { svg: string } }) => step.media.svg),
    ];
    expect(files.filter((file) => !existsSync(path.join(root, file)))).toEqual([]);
  });

  it("walks through in five steps, each with an action that completes it", () => {
    expect(walkthrough.steps).toHaveLength(5);
    const known = contributes.commands.map(({ command }: { command: string }) => command);
    for (const { description, completionEvents } of walkthrough.steps) {
      const [, action] = /\(command:([\w.]+)\)/.exec(description)!;
      expect(known).toContain(action);
      expect(completionEvents).toContain(`onCommand:${action}`);
      for (const event of completionEvents) expect(known).toContain(event.replace("onCommand:", ""));
    }
  });

  it("contributes the commands that are registered, each once", () => {
    const registered = [...extensionSource.matchAll(/\bregister\("(\w+)"/g)].map((match) => `ringside.${match[1]}`);
    const contributed = contributes.commands.map(({ command }: { command: string }) => command);
    expect(contributed.toSorted()).toEqual(registered.toSorted());
  });

  it("has menus and keys for commands that there are, on keys that are its own", () => {
    const known = contributes.commands.map(({ command }: { command: string }) => command);
    const used = [...Object.values<{ command: string }[]>(contributes.menus).flat(), ...contributes.keybindings];
    for (const { command } of used) if (!command.startsWith("workbench.")) expect(known).toContain(command);
    const keys = contributes.keybindings.map(({ key }: { key: string }) => key);
    expect(new Set(keys).size).toBe(keys.length);
    for (const { when } of contributes.keybindings) expect(when).toContain("debugType == 'ringside'");
  });

  it("offers every command in the palette only where it can be used", () => {
    const listed = contributes.menus.commandPalette.map(({ command }: { command: string }) => command);
    const anywhere = ["ringside.openScenario", "ringside.debugScenario", "ringside.copyScenario"];
    const others = contributes.commands.map(({ command }: { command: string }) => command);
    expect([...listed, ...anywhere].toSorted()).toEqual(others.toSorted());
  });

  it("contributes the views that are provided", () => {
    const provided = [...extensionSource.matchAll(/register(?:WebviewView|TreeData)Provider\(\s*"([\w.]+)"/g)].map(
      (match) => match[1],
    );
    expect(contributes.views.debug.map(({ id }: { id: string }) => id).toSorted()).toEqual(provided.toSorted());
  });

  it("offers defaults that are the adapter's own", () => {
    const filledIn = readConfiguration({ program: "file:///x.s" }) as unknown as Record<string, unknown>;
    for (const name of [
      "args",
      "env",
      "stdin",
      "files",
      "arch",
      "bits",
      "dialect",
      "stopOnEntry",
      "stepIntoKernel",
      "inject",
      "seed",
    ]) {
      expect({ [name]: launch[name].default }).toEqual({ [name]: filledIn[name] });
    }
    expect(launch.cpu.default).toBe((filledIn.cpu as { vendor: string }).vendor);
    expect(launch.kernel.default).toBe(filledIn.preset);
  });

  it("has the adapter accept every value it offers", () => {
    for (const name of ["arch", "bits", "dialect"]) {
      for (const value of launch[name].enum)
        expect(() => readConfiguration({ program: "x:/p", [name]: value })).not.toThrow();
    }
  });

  it("offers every design and preset of the kernel, and nothing else, each with what it is", () => {
    const [preset, single] = launch.kernel.anyOf;
    for (const offered of [preset, single.properties.preset]) {
      expect(offered.enum).toEqual(PRESETS.map(({ name }) => name));
      expect(offered.enumDescriptions).toEqual(PRESETS.map(({ source }) => source));
    }
    const { preset: _, entry: __, ...designs } = single.properties;
    expect(new Set(Object.keys(designs))).toEqual(new Set(DESIGNS.map(({ key }) => key)));
    for (const [key, offered] of Object.entries<{ enum: string[]; enumDescriptions: string[] }>(designs)) {
      const known = DESIGNS.filter((design) => design.key === key);
      expect(offered.enum, key).toEqual(known.map(({ value }) => value));
      expect(offered.enumDescriptions, key).toEqual(known.map(({ summary }) => summary));
    }
    expect(single.additionalProperties).toBe(false);
  });

  it("offers every scenario by its title", () => {
    const names = readdirSync(path.join(root, "scenarios")).toSorted();
    expect(launch.scenario.enum).toEqual(names);
    const titles = names.map((name) => JSON.parse(read(`scenarios/${name}/scenario.json`)).title);
    expect(launch.scenario.enumDescriptions).toEqual(titles);
  });

  it("marks events that cannot be injected", () => {
    const { pattern, examples } = launch.inject.items.properties.event;
    for (const event of [...examples, "irq:0x30", "signal:SIGRTMIN+3"]) expect(event).toMatch(new RegExp(pattern));
    for (const event of ["nmii", "signal", "signal:", "irq:", "tif"]) expect(event).not.toMatch(new RegExp(pattern));
  });

  it("is allowed to be packaged whole", () => {
    const kept = read(".vscodeignore")
      .split("\n")
      .filter((line) => line.startsWith("!"));
    const outputs = bundles.flatMap((bundle) =>
      "outfile" in bundle ? [bundle.outfile] : ["dist/webview.js", "dist/webview.css"],
    );
    for (const file of new Set([...outputs, "dist/scenarios.json"])) expect(kept).toContain(`!${file}`);
  });
});
