/** DAP sources and our URIs: files by path, other schemes by URI, the kernel's own code by reference. */

import type { DebugProtocol } from "@vscode/debugprotocol";
import { fileNameOf } from "../../asmlang/core/uri.ts";
import { toUri } from "../debug/configuration.ts";
import type { Target } from "../debug/target.ts";
import { canonicalUri, isFileUri, pathOfUri } from "../debug/uris.ts";

/** Of the kernel's own sources. */
const OWN = /^ringside:/;

export class Sources {
  /** URIs that the client cannot open, by sourceReference - 1. */
  readonly #references: string[] = [];
  /** Whether the client names files by URI, not by path. */
  asUris = false;

  toDap(target: Target, uri: string): DebugProtocol.Source {
    const name = fileNameOf(uri);
    if (target.sourceText(uri) === undefined) return { name, path: this.placeOf(uri) };
    return {
      name,
      path: uri,
      sourceReference: this.#referenceOf(uri),
      presentationHint: "normal",
      origin: "Ringside's kernel",
    };
  }

  /** As toDap(), for a line of a disassembly. There VS Code would open a path that is a URI itself, without asking us for the text. */
  inDisassembly(target: Target, uri: string): DebugProtocol.Source {
    const source = this.toDap(target, uri);
    return { ...source, path: source.path!.replace(OWN, "") };
  }

  /** The URI a client's source stands for; undefined if it names none. An editor's breakpoints outlive the session that gave a reference. */
  fromDap({ path, sourceReference }: DebugProtocol.Source): string | undefined {
    const named = path === undefined ? undefined : canonicalUri(toUri(path));
    const isByReference = sourceReference !== undefined && sourceReference > 0 && !OWN.test(named ?? "");
    return isByReference ? this.byReference(sourceReference) : named;
  }

  byReference(reference: number): string | undefined {
    return this.#references[reference - 1];
  }

  /** As the client names it. */
  placeOf(uri: string): string {
    if (!isFileUri(uri)) return uri;
    const path = pathOfUri(uri);
    return this.asUris ? toUri(path) : path;
  }

  #referenceOf(uri: string): number {
    const known = this.#references.indexOf(uri);
    return known >= 0 ? known + 1 : this.#references.push(uri);
  }
}
