/** `ringside scenario`: runs scenarios against their expected events, and against the mutation under which each must fail. */
import { readdirSync, realpathSync } from "node:fs";
import path from "node:path";
import { readFile, uriOf } from "./files.ts";
import { flag, parse } from "./options.ts";
import { readScenario, runScenario, type ScenarioResult } from "./scenario-run.ts";
import { UsageError } from "./usage.ts";

/** The scenarios that come with the command: beside the bundle's folder. */
const scenarioRoot = (): string => path.resolve(path.dirname(realpathSync(process.argv[1]!)), "../scenarios");

export function scenario(args: readonly string[]): number {
  const parsed = parse(args, { json: { type: "boolean" }, dir: { type: "string" } });
  const [action, ...names] = parsed.positionals;
  const root = (parsed.values.dir as string | undefined) ?? scenarioRoot();
  const known = scenarioNames(root);
  if (action === "list") return list(root, known);
  if (action !== "run") throw new UsageError("scenario takes list, or run with NAME... or all");
  if (names.length === 0) throw new UsageError(`which scenario? ${known.join(", ")} or all`);
  const chosen = names.includes("all") ? known : names;
  for (const name of chosen)
    if (!known.includes(name)) throw new UsageError(`no scenario "${name}": there are ${known.join(", ")}`);
  const results = chosen.map((name) => {
    const result = runScenario(load(root, name));
    if (!flag(parsed, "json")) process.stdout.write(`${line(result)}\n`);
    return result;
  });
  if (flag(parsed, "json")) process.stdout.write(`${JSON.stringify(results)}\n`);
  return results.every(({ ok }) => ok) ? 0 : 1;
}

function scenarioNames(root: string): string[] {
  try {
    return readdirSync(root, { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => name)
      .sort();
  } catch {
    throw new UsageError(`there are no scenarios in ${root}`);
  }
}

const load = (root: string, name: string) => {
  const folder = path.join(root, name);
  const read = (file: string) => ({ uri: uriOf(path.join(folder, file)), bytes: readFile(path.join(folder, file)) });
  return readScenario(name, read);
};

function list(root: string, names: readonly string[]): number {
  for (const name of names) process.stdout.write(`${name}  ${load(root, name).file.title}\n`);
  return 0;
}

const line = ({ ok, name, problem }: ScenarioResult) => (ok ? `ok ${name}` : `FAIL ${name}: ${problem}`);
