/** What is loaded as the client knows it: modules and sources that come and go as tasks begin other programs, or as time goes back. */
import type { DebugProtocol } from "@vscode/debugprotocol";
import { later } from "../../emu/cpu/later.ts";
import { hexAddr } from "../debug/format.ts";
import { type Module, modulesOf } from "../debug/modules.ts";
import type { Target } from "../debug/target.ts";
import { rebind } from "./breakpoints.ts";
import type { Context, HandlerTable } from "./context.ts";

/** What was there at the last look, and the modules and sources that the client was told of, which are made when they are compared. */
export interface Told {
  readonly target: Target;
  readonly signature: string;
  readonly modules: () => ReadonlyMap<string, DebugProtocol.Module>;
  readonly sources: () => ReadonlyMap<string, DebugProtocol.Source>;
}

/** Cheap to find: the same while nothing comes or goes. */
const signatureOf = ({ spaces }: Target): string =>
  spaces
    .live()
    .map(({ symbols, mappings }) => {
      const names = new Set(mappings().map(({ name }) => name));
      return [...symbols.parts.map(({ key }) => key), ...names].join();
    })
    .join(";");

/** Finds breakpoints' places anew if programs have come or gone, and tells the client of them. */
export function lookAtPrograms(context: Context): void {
  const { target } = context.launched;
  const signature = signatureOf(target);
  const isSame = target === context.told?.target;
  const isAsTold = isSame && signature === context.told?.signature;
  rebind(context, isAsTold ? "unverified" : isSame ? "in programs" : "all");
  if (isAsTold) return;
  const { told } = context;
  const now = programsNow(context, signature);
  context.told = told === undefined ? { ...now, modules: nothing, sources: nothing } : now;
  if (told !== undefined) tellPrograms(context, told, now);
}

const nothing = () => new Map<string, never>();

/** A client may know programs from events alone, never asking for all of them: the first ones are told too, once it is quiet. */
export function tellFirstPrograms(context: Context): void {
  const { told } = context;
  if (told === undefined || told.modules().size > 0) return;
  context.told = programsNow(context, told.signature);
  tellPrograms(context, told, context.told);
}

function programsNow(context: Context, signature: string): Told {
  const { target, control } = context.launched;
  const all = modulesOf(target, control.cpu);
  const dapModule = moduleFor(context);
  return { target, signature, modules: later(() => byId(all.map(dapModule))), sources: sourcesByPath(context) };
}

function tellPrograms({ client }: Context, before: Told, now: Told): void {
  tell(before.modules(), now.modules(), (reason, module) => client.event("module", { reason, module }));
  tell(before.sources(), now.sources(), (reason, source) => client.event("loadedSource", { reason, source }));
}

/** What is new, gone, or not as it was. */
function tell<T>(
  before: ReadonlyMap<string, T>,
  now: ReadonlyMap<string, T>,
  event: (reason: "new" | "changed" | "removed", thing: T) => void,
): void {
  for (const [id, thing] of before) if (!now.has(id)) event("removed", thing);
  for (const [id, thing] of now) {
    const old = before.get(id);
    if (old === undefined) event("new", thing);
    else if (JSON.stringify(old) !== JSON.stringify(thing)) event("changed", thing);
  }
}

const allModules = (context: Context): DebugProtocol.Module[] =>
  modulesOf(context.launched.target, context.launched.control.cpu).map(moduleFor(context));
const byId = (modules: readonly DebugProtocol.Module[]) => new Map(modules.map((each) => [String(each.id), each]));

const moduleFor =
  (context: Context) =>
  ({ name, start, end, sources, isProgram }: Module): DebugProtocol.Module => ({
    id: name,
    name,
    ...(sources[0] === undefined ? {} : { path: context.sources.placeOf(sources[0]) }),
    symbolStatus: sources.length > 0 ? "lines and symbols" : "symbols only",
    addressRange: `${hexAddr(start)}-${hexAddr(end)}`,
    isUserCode: isProgram,
  });

/** Of the programs that there are now, whenever it is called. */
function sourcesByPath({ launched: { target }, sources }: Context): Told["sources"] {
  const live = target.spaces.live();
  return later(() => {
    const uris = new Set(live.flatMap(({ symbols }) => symbols.sources));
    return new Map([...uris].map((uri) => [uri, sources.toDap(target, uri)]));
  });
}

const loadedSources = (context: Context) => ({ sources: [...sourcesByPath(context)().values()] });

/** The programs, the kernel and the vDSO, with the addresses that each takes. */
function modules(context: Context, args: DebugProtocol.ModulesArguments) {
  const all = allModules(context);
  const first = args.startModule ?? 0;
  return {
    modules: all.slice(first, args.moduleCount ? first + args.moduleCount : undefined),
    totalModules: all.length,
  };
}

export const programHandlers: HandlerTable = { loadedSources, modules };
