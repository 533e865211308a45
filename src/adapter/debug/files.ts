/** How the debug adapter reads a program, an include or an entry file, wherever it runs. The host gives it one. */
export interface FileSystem {
  /** URI of the folder that a relative path of a client is in; without one, its root. */
  readonly folder?: string;
  /** undefined = no such file, or it cannot be read. */
  read(uri: string): Promise<Uint8Array | undefined>;
  /** Every file of a folder and its subfolders, by its path from there ("/bin/sh"); a text says why not. A host without folders has none. */
  readTree?(uri: string, mostBytes: number): Promise<Tree | string>;
}

export type Tree = Readonly<Record<string, Uint8Array>>;
