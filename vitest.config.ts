import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["test/e2e/**", "**/node_modules/**"],
    // left to itself vitest keeps a processor free, which on a machine of two is half of them
    maxWorkers: availableParallelism(),
    // ends what hangs; it says nothing about speed, for a machine may be busy with much else
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
