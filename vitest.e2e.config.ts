import { defineConfig } from "vitest/config";

/** Tests in real editors: one at a time, each with a browser of its own. */
export default defineConfig({
  test: {
    include: ["test/e2e/**/*.test.ts"],
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 900_000,
  },
});
