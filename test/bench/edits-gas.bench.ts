import { benchEdits } from "./edit-bench.ts";

benchEdits("gas");
