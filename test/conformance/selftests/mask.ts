/** Addresses, process ids and times are not the test's. */
export const masked = (transcript: string): string[] =>
  transcript
    .replace(/(?:0x)+[0-9a-f]+/gi, "0x#")
    .replace(/RIP=[0-9a-f]+/g, "RIP=#")
    .replace(/\b[0-9a-f]{8,16}\b/gi, "#")
    .replace(/\b\d{3,}\b/g, "#")
    .split("\n");
