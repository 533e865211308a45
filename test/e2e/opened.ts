/** What every end-to-end test begins and ends with: a host with the extension, an editor in it, and a picture of what has gone wrong. */
import { afterAll, afterEach, beforeAll } from "vitest";
import { Editor } from "./editor.ts";
import { type Host, type HostKind, type HostOptions, startHost } from "./hosts.ts";
import { realExtension } from "./stage.ts";

export interface Opening extends Partial<HostOptions> {
  readonly size?: { readonly width: number; readonly height: number };
}

/**
 * Before the tests of a suite an editor is opened, and given to `use`. @param name of the picture of a failure.
 * @param opening with our extension alone if it does not say otherwise.
 */
export function openEditor(
  name: string,
  kind: HostKind,
  use: (editor: Editor) => void,
  opening: () => Opening | Promise<Opening> = () => ({}),
): void {
  let host: Host | undefined;
  let editor: Editor | undefined;

  beforeAll(async () => {
    const { size, ...options } = await opening();
    host = await startHost[kind]({ extensions: [realExtension()], ...options });
    editor = await Editor.open(host.url, size);
    use(editor);
  });
  afterAll(async () => {
    await editor?.close();
    await host?.close();
  });
  afterEach(async ({ task }) => {
    if (task.result?.state === "fail" && editor !== undefined)
      console.error(await editor.picture(`failed-${name}-${kind}`), editor.log.slice(-30).join("\n"));
  });
}
