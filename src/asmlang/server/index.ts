/**
 * The language server: diagnostics as you type, over any connection (stdio, a worker's messages). Files are read through
 * the client's `ringside/readFile` request ({ uri } -> base64 or null), so that it works where there is no file system.
 */
import {
  type CodeAction,
  CodeActionKind,
  type Connection,
  type InitializeResult,
  TextDocumentSyncKind,
  TextDocuments,
} from "vscode-languageserver";
import { TextDocument } from "vscode-languageserver-textdocument";
import { assemble, dialectOf } from "../index.ts";
import type { AssembleOptions, Bits } from "../types.ts";
import { toLsp } from "./diagnostics.ts";
import { FileCache } from "./files.ts";

const DEBOUNCE_MS = 150;
/** Includes of includes: how often a document is assembled again because files came in. */
const MAX_ROUNDS = 20;

interface Settings {
  readonly dialect?: AssembleOptions["dialect"];
  readonly bits?: Bits;
}

class Server {
  readonly #connection: Connection;
  readonly #documents = new TextDocuments(TextDocument);
  readonly #files: FileCache;
  readonly #timers = new Map<string, ReturnType<typeof setTimeout>>();
  /** Files that each document includes. */
  readonly #includes = new Map<string, ReadonlySet<string>>();
  #settings: Settings = {};

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#files = new FileCache(
      async (uri) => {
        const content = await connection.sendRequest<string | null>("ringside/readFile", { uri });
        return typeof content === "string" ? Uint8Array.from(atob(content), (c) => c.charCodeAt(0)) : undefined;
      },
      (uri) => this.#documents.get(uri)?.getText(),
    );
  }

  start(): void {
    const connection = this.#connection;
    connection.onInitialize(
      (): InitializeResult => ({
        capabilities: {
          textDocumentSync: TextDocumentSyncKind.Incremental,
          codeActionProvider: { codeActionKinds: [CodeActionKind.QuickFix] },
        },
        serverInfo: { name: "ringside" },
      }),
    );
    connection.onDidChangeConfiguration(({ settings }) => this.#configure(settings));
    connection.onDidChangeWatchedFiles(() => this.#refresh());
    connection.onCodeAction(({ context, textDocument }) => quickFixes(context.diagnostics, textDocument.uri));
    this.#documents.onDidChangeContent(({ document }) => {
      this.#schedule(document.uri);
      for (const [uri, files] of this.#includes) if (files.has(document.uri)) this.#schedule(uri);
    });
    this.#documents.onDidSave(({ document }) => this.#files.forget(document.uri));
    this.#documents.onDidClose(({ document }) => this.#close(document.uri));
    this.#documents.listen(connection);
    connection.listen();
  }

  #configure(settings: unknown): void {
    const ours = (settings as { ringside?: Settings } | null)?.ringside ?? {};
    const bits = ours.bits === 16 || ours.bits === 32 || ours.bits === 64 ? { bits: ours.bits } : {};
    const dialect = ours.dialect === "gas" || ours.dialect === "nasm" ? { dialect: ours.dialect } : {};
    this.#settings = { ...bits, ...dialect };
    this.#refresh();
  }

  #refresh(): void {
    this.#files.clear();
    for (const document of this.#documents.all()) this.#schedule(document.uri);
  }

  #schedule(uri: string): void {
    clearTimeout(this.#timers.get(uri));
    this.#timers.set(
      uri,
      setTimeout(() => {
        this.#timers.delete(uri);
        void this.#check(uri);
      }, DEBOUNCE_MS),
    );
  }

  #close(uri: string): void {
    clearTimeout(this.#timers.get(uri));
    this.#timers.delete(uri);
    this.#includes.delete(uri);
    void this.#connection.sendDiagnostics({ uri, diagnostics: [] });
  }

  async #check(uri: string): Promise<void> {
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const document = this.#documents.get(uri);
      if (!document) return;
      const diagnostics = this.#assemble(document);
      const more = await this.#files.fetch();
      const now = this.#documents.get(uri);
      if (!now) return;
      if (now.version !== document.version) return; // a newer check is on its way
      if (more) continue;
      await this.#connection.sendDiagnostics({ uri, version: document.version, diagnostics });
      return;
    }
  }

  #assemble(document: TextDocument) {
    const { uri } = document;
    const used = new Set<string>();
    const source = { uri, text: document.getText() };
    const asked = this.#settings.dialect ?? byLanguage(document) ?? "auto";
    const result = assemble(source, {
      dialect: dialectOf(source, asked),
      ...(this.#settings.bits && { bits: this.#settings.bits }),
      include: (name, from) => this.#files.include(name, from, used),
      includeBytes: (name, from) => this.#files.includeBytes(name, from, used),
    });
    this.#includes.set(uri, used);
    return result.diagnostics.map((one) => toLsp(one, uri));
  }
}

/** A file whose name says nothing is what the editor takes it for. */
function byLanguage(document: TextDocument): AssembleOptions["dialect"] | undefined {
  if (/\.(s|asm|nasm)$/i.test(document.uri)) return undefined;
  return document.languageId === "ringside-gas" ? "gas" : document.languageId === "ringside-nasm" ? "nasm" : undefined;
}

function quickFixes(diagnostics: readonly { data?: unknown }[], uri: string): CodeAction[] {
  return diagnostics.flatMap((diagnostic) => {
    const fix = diagnostic.data as { title: string; range: never; text: string; uri: string } | undefined;
    if (typeof fix?.title !== "string" || fix.uri !== uri) return [];
    return [
      {
        title: fix.title,
        kind: CodeActionKind.QuickFix,
        edit: { changes: { [uri]: [{ range: fix.range, newText: fix.text }] } },
      },
    ];
  });
}

/** Serves on a connection made by the caller; returns at once. */
export function startServer(connection: Connection): void {
  new Server(connection).start();
}
