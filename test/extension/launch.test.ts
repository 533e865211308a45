import { describe, expect, it } from "vitest";
import { type LaunchSettings, withProgram, withScenario, withUris } from "../../extension/launch.ts";

describe("a launch configuration", () => {
  it("F5 without launch.json debugs the open file", () => {
    expect(withProgram({}, "file:///home/me/my%20program.s")).toEqual({
      type: "ringside",
      request: "launch",
      name: "my program.s",
      program: "file:///home/me/my%20program.s",
    });
  });

  it("is refused when there is nothing to debug", () => {
    expect(withProgram({}, undefined)).toBeUndefined();
  });

  it("keeps what the user wrote", () => {
    const written = {
      type: "ringside",
      request: "launch",
      name: "mine",
      program: "a.s",
      args: ["x"],
      stopOnEntry: false,
    };
    expect(withProgram(written, "file:///other.s")).toEqual(written);
  });

  it("a scenario gives the program; the open file does not count", () => {
    const complete = withProgram({ scenario: "vm86" }, "file:///other.s")!;
    expect(complete).toEqual({ type: "ringside", request: "launch", name: "Scenario vm86", scenario: "vm86" });
    expect(withScenario(complete, { program: "file:///s/vm86/vm86.S", arch: "i386" })).toMatchObject({
      program: "file:///s/vm86/vm86.S",
      arch: "i386",
    });
  });

  it("the user's settings win over the scenario's", () => {
    const merged = withScenario({ arch: "x86_64" }, { arch: "i386", seed: 2 });
    expect(merged).toEqual({ arch: "x86_64", seed: 2 });
  });

  it("looks for a relative program in the folder that is named", () => {
    const uris = (settings: LaunchSettings) => withUris(settings, (text) => `x:/${text}`).program;
    expect(uris({ program: "a.s", cwd: "sub" })).toBe("x:/sub/a.s");
    expect(uris({ program: "/there/a.s", cwd: "sub" })).toBe("x://there/a.s");
    expect(uris({ program: "file:///a.s", cwd: "sub" })).toBe("x:/file:///a.s");
  });

  it("gives the adapter URIs, for the user's own entry code too", () => {
    const toUri = (text: string) => `x:/${text}`;
    expect(withUris({ program: "a.s", kernel: { entry: "my.S", espfix: "none" } }, toUri)).toEqual({
      program: "x:/a.s",
      kernel: { entry: "x:/my.S", espfix: "none" },
    });
    expect(withUris({ program: "a.s", root: "tree", files: { "/bin/b": "b.s" } }, toUri)).toEqual({
      program: "x:/a.s",
      root: "x:/tree",
      files: { "/bin/b": "x:/b.s" },
    });
    expect(withUris({ program: "a.s", kernel: "linux-6.1" }, toUri)).toEqual({
      program: "x:/a.s",
      kernel: "linux-6.1",
    });
  });
});
