// esbuild plugin for the browser's bundles: the two Node modules that @vscode/debugadapter's session class loads, as far as it needs them.
const modules = {
  // ProtocolServer extends EventEmitter; in a worker nobody listens, as messages do not come from streams.
  events: `
    exports.EventEmitter = class {
      #listeners = new Map();
      on(name, listener) {
        this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener]);
        return this;
      }
      emit(name, ...values) {
        const listeners = this.#listeners.get(name) ?? [];
        for (const listener of listeners) listener.apply(this, values);
        return listeners.length > 0;
      }
    };`,
  url: "exports.URL = globalThis.URL;",
};

export const nodeModulesInBrowser = {
  name: "node-modules-in-browser",
  setup(build) {
    build.onResolve({ filter: /^(events|url)$/ }, ({ path }) => ({ path, namespace: "node-in-browser" }));
    build.onLoad({ filter: /.*/, namespace: "node-in-browser" }, ({ path }) => ({
      contents: modules[path],
      loader: "js",
    }));
  },
};
