/** What the programs of the corpus write and exit with, and those that are no programs for Linux. */

interface Outcome {
  readonly output: string;
  readonly status: number;
}

const exits = (status: number, output = ""): Outcome => ({ output, status });

export const EXPECTED: Readonly<Record<string, Outcome>> = {
  "align64.asm": exits(24),
  "branches64.asm": exits(3),
  "calculator64.asm": exits(42),
  "cfi_complete64.s": exits(0),
  "checksum32.s": exits(1),
  "contexts64.asm": exits(33),
  "copy32.asm": exits(0, "copied\n"),
  "crc64.asm": exits(1),
  "fibonacci_cfi64.s": exits(144),
  "fizzbuzz64.nasm": exits(0, "1 2 Fizz 4 Buzz Fizz 7 8 Fizz Buzz 11 Fizz 13 14 FizzBuzz \n"),
  "fizzbuzz64.s": exits(0, "1 2 Fizz 4 Buzz Fizz 7 8 Fizz Buzz 11 Fizz 13 14 FizzBuzz\n"),
  "floats64.asm": exits(44),
  "floats64.s": exits(42),
  "frames32.asm": exits(42),
  "hello32.asm": exits(6, "thirty-two\n"),
  "hello64.asm": exits(0, "hello, world\n"),
  "hello_att64.s": exits(0, "hello, world\nbye\n"),
  "included64.s": exits(29),
  "intel_forms32.s": exits(15),
  "linkage64.asm": exits(10),
  "located64.s": exits(4),
  "macros_all64.asm": exits(17, "abcxyz321dmno4321Nqrvtt=Le6k\n"),
  "macros_all64.s": exits(3, "abc76543a\b123ccc...CDdnNbcCqQlLe!\n"),
  "memory64.s": exits(9, "====================\n"),
  "numbers64.asm": exits(250),
  "prefixes64.asm": exits(5),
  "preprocess64.asm": exits(9, "ItnfbItnFbNtnbNnbStnbInb?ebtwo7\x04<\n"),
  "preprocessed64.S": exits(5, "from the preprocessor\n"),
  "quicksort32.asm": exits(0, "0123456789\n"),
  "sections64.s": exits(5, "one two three\ntail\n"),
  "sieve64.asm": exits(168),
  "sort32.s": exits(0, "abcdefghij\n"),
  "strings64.asm": exits(119, "ass-assembler size=9 a b xy\tAA\x1b[0m\n"),
  "strings64.s": exits(66),
  "structures64.asm": exits(50),
  "switch64.s": exits(42),
  "tables64.asm": exits(139),
  "tls64.s": exits(49),
};

export const NOT_RUN: readonly string[] = ["boot.bin.asm", "modes.bin.asm", "overlay.bin.asm", "realmode16.s"];
