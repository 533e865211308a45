/** How the debug adapter reads a program, an include or an entry file, wherever it runs. The host gives it one. */
export interface FileSystem {
  /** undefined = no such file, or it cannot be read. */
  read(uri: string): Promise<Uint8Array | undefined>;
}
