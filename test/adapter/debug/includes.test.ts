/** Included files come by asking: what a source names is there when it is first assembled, and anything else in a round more. */
import { expect, it } from "vitest";
import { withIncludes } from "../../../src/adapter/debug/includes.ts";
import { assemble } from "../../../src/asmlang/index.ts";

const main = "memfs:/w/main.asm";

/** Assembles, and says how often, which files were asked for, and what the bytes are. */
async function assembled(texts: Readonly<Record<string, string>>, dialect: "nasm" | "gas" = "nasm") {
  const asked: string[] = [];
  let rounds = 0;
  const files = {
    async read(uri: string) {
      asked.push(uri.slice("memfs:/w/".length));
      const text = texts[asked.at(-1)!];
      return text === undefined ? undefined : new TextEncoder().encode(text);
    },
  };
  const source = { uri: main, text: texts["main.asm"]! };
  const result = await withIncludes(files, source, (include) => {
    rounds++;
    return assemble(source, { dialect, bits: 64, ...include });
  });
  const errors = result.diagnostics.filter(({ severity }) => severity === "error").map(({ message }) => message);
  return { rounds, asked: asked.sort(), bytes: [...result.sections[0]!.bytes], errors };
}

it.each<["nasm" | "gas", string, string, string]>([
  ["nasm", " db 1", '%include "a/one.inc"\n incbin "data.bin"', '  %INCLUDE "two.inc"'],
  ["gas", ".byte 1", '.include "a/one.inc"\n.incbin "data.bin"', '  .include "two.inc"'],
])("those that a %s source names are read before: it is assembled once", async (dialect, one, first, second) => {
  const texts = {
    "main.asm": `${first}\n`,
    "a/one.inc": `${second}\n`,
    "a/two.inc": `${one}\n`,
    "data.bin": "\x02",
  };
  expect(await assembled(texts, dialect)).toEqual({
    rounds: 1,
    asked: ["a/one.inc", "a/two.inc", "data.bin"],
    bytes: [1, 2],
    errors: [],
  });
});

it("a name that a macro makes costs a round", async () => {
  const texts = { "main.asm": '%define NAME "one.inc"\n%include NAME\n', "one.inc": " db 7\n" };
  expect(await assembled(texts)).toEqual({ rounds: 2, asked: ["one.inc"], bytes: [7], errors: [] });
});

it("files that include each other, and none at all, are each asked for once", async () => {
  const texts = {
    "main.asm": '%include "one.inc"\n%if 0\n%include "none.inc"\n%endif\n',
    "one.inc": '%ifndef ONE\n%define ONE\n%include "main.asm"\n db 3\n%endif\n',
  };
  const { rounds, asked, bytes } = await assembled(texts);
  expect({ rounds, asked, bytes }).toEqual({ rounds: 1, asked: ["main.asm", "none.inc", "one.inc"], bytes: [3] });
});
