/** Values in the source while a program of ours is stopped: on hover, and behind the line that comes next. */
import * as vscode from "vscode";
import { type Dialect, operandAt, operandsOn } from "./operands.ts";
import { assemblyLanguages } from "./uris.ts";

const gnu: ReadonlySet<string> = new Set(["ringside-gas", "gas", "gnuassembler"]);

function dialectOf({ languageId, uri }: vscode.TextDocument): Dialect {
  return gnu.has(languageId) || /\.s$/i.test(uri.path) ? "gas" : "nasm";
}

const hovers: vscode.EvaluatableExpressionProvider = {
  provideEvaluatableExpression(document, { line, character }) {
    const found = operandAt(document.lineAt(line).text, character, dialectOf(document));
    return (
      found && new vscode.EvaluatableExpression(new vscode.Range(line, found.start, line, found.end), found.expression)
    );
  },
};

/** Of other lines the values would be those of another instant than the one at which they run. */
const inline: vscode.InlineValuesProvider = {
  provideInlineValues(document, viewPort, { stoppedLocation }) {
    const line = stoppedLocation.start.line;
    if (line < viewPort.start.line || line > viewPort.end.line) return [];
    return operandsOn(document.lineAt(line).text, dialectOf(document)).map(
      ({ start, end, expression }) =>
        new vscode.InlineValueEvaluatableExpression(new vscode.Range(line, start, line, end), expression),
    );
  },
};

export function registerValues(): vscode.Disposable {
  const languages = [...assemblyLanguages];
  return vscode.Disposable.from(
    vscode.languages.registerEvaluatableExpressionProvider(languages, hovers),
    vscode.languages.registerInlineValuesProvider(languages, inline),
  );
}
