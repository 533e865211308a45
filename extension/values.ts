/** Values in the source while a program of ours is stopped: on hover, and behind the line that comes next. */
import * as vscode from "vscode";
import { sourceOf } from "./instants.ts";
import { inFull, type Operand, pointedAt } from "./pointed-at.ts";
import { assemblyLanguages } from "./uris.ts";

/** What the instruction on a line looks at, seen from the selected frame; nothing while the program runs. */
async function operandsOn(document: vscode.TextDocument, line: number): Promise<readonly Operand[]> {
  const [session, item] = [vscode.debug.activeDebugSession, vscode.debug.activeStackItem];
  if (session?.type !== "ringside") return [];
  const frame = item instanceof vscode.DebugStackFrame ? { frameId: item.frameId } : {};
  const place = { source: sourceOf(document.uri), line: line + 1 };
  try {
    return (await session.customRequest("ringside/operands", { ...frame, ...place })).operands;
  } catch {
    return [];
  }
}

const linesTo = (document: vscode.TextDocument, last: number): string[] =>
  document.getText(new vscode.Range(0, 0, last + 1, 0)).split(/\r?\n/);

const hovers: vscode.EvaluatableExpressionProvider = {
  async provideEvaluatableExpression(document, { line, character }) {
    const found = pointedAt(document.lineAt(line).text, character, await operandsOn(document, line));
    if (found === undefined) return undefined;
    const name = document.languageId.includes("nasm") ? inFull(found.text, () => linesTo(document, line)) : found.text;
    return new vscode.EvaluatableExpression(new vscode.Range(line, found.start, line, found.end), name);
  },
};

/** Of other lines the values would be those of another instant than the one at which they run. */
const inline: vscode.InlineValuesProvider = {
  async provideInlineValues(document, viewPort, { stoppedLocation }) {
    const { range } = document.lineAt(stoppedLocation.start.line);
    if (viewPort.intersection(range) === undefined) return [];
    const operands = await operandsOn(document, range.start.line);
    return operands.map(({ expression }) => new vscode.InlineValueEvaluatableExpression(range, expression));
  },
};

export function registerValues(): vscode.Disposable {
  const languages = [...assemblyLanguages];
  return vscode.Disposable.from(
    vscode.languages.registerEvaluatableExpressionProvider(languages, hovers),
    vscode.languages.registerInlineValuesProvider(languages, inline),
  );
}
