/** Tables that are asked for names from outside: what every object inherits (`constructor`, `toString`) is no entry of theirs. */

export const lookUp = <T>(table: Readonly<Record<string, T>>, name: string): T | undefined =>
  Object.hasOwn(table, name) ? table[name] : undefined;
