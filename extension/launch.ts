/** What a launch configuration becomes before it goes to the adapter. Pure; the adapter itself fills in every other default. */

import { fileNameOf, isAbsolute } from "../src/asmlang/core/uri.ts";

/** A launch configuration as the user wrote it, incomplete or empty (F5 without launch.json). */
export interface LaunchSettings {
  readonly type?: string;
  readonly request?: string;
  readonly name?: string;
  readonly program?: string;
  readonly cwd?: string;
  readonly scenario?: string;
  readonly root?: string;
  readonly files?: Readonly<Record<string, string>>;
  readonly kernel?: string | { readonly entry?: string; readonly [design: string]: unknown };
  readonly [attribute: string]: unknown;
}

/** Turns a path or URI of the user's into a URI; see uris.ts. */
export type ToUri = (pathOrUri: string) => string;

/** F5 with no launch.json gives an empty configuration: debug the open file. undefined = there is nothing to debug. */
export function withProgram(settings: LaunchSettings, openFile: string | undefined): LaunchSettings | undefined {
  const named = settings.program ?? (settings.scenario === undefined ? openFile : undefined);
  if (named === undefined && settings.scenario === undefined) return undefined;
  return {
    ...settings,
    type: "ringside",
    request: "launch",
    name: settings.name ?? (named === undefined ? `Scenario ${settings.scenario}` : fileNameOf(named)),
    ...(named !== undefined && { program: named }),
  };
}

/** A scenario's launch settings count where the user's say nothing. */
export function withScenario(settings: LaunchSettings, scenario: LaunchSettings | undefined): LaunchSettings {
  return scenario === undefined ? settings : { ...scenario, ...settings };
}

/** A relative program is in `cwd`, if there is one. */
export const programPlace = ({ program, cwd }: LaunchSettings): string | undefined =>
  program === undefined || cwd === undefined || isAbsolute(program) ? program : `${cwd}/${program}`;

/** The adapter reads URIs only. */
export function withUris(settings: LaunchSettings, toUri: ToUri): LaunchSettings {
  const { root, files, kernel } = settings;
  const program = programPlace(settings);
  const entry = typeof kernel === "object" ? kernel.entry : undefined;
  return {
    ...settings,
    ...(program !== undefined && { program: toUri(program) }),
    ...(root !== undefined && { root: toUri(root) }),
    ...(files !== undefined && {
      files: Object.fromEntries(Object.entries(files).map(([path, place]) => [path, toUri(place)])),
    }),
    ...(entry !== undefined && { kernel: { ...(kernel as object), entry: toUri(entry) } }),
  };
}
