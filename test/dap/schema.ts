/** The protocol's own JSON schema: whether a message is valid by it, and what each request's arguments look like. */
import { readFileSync } from "node:fs";
import path from "node:path";
import { Ajv } from "ajv";

export interface Schema {
  readonly $ref?: string;
  readonly type?: string | readonly string[];
  readonly enum?: readonly unknown[];
  readonly _enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly items?: Schema;
  readonly allOf?: readonly Schema[];
  readonly oneOf?: readonly Schema[];
}

// the schema is written in draft 4, of which it uses nothing that has changed since
const { $schema: _draft4, ...schema } = JSON.parse(
  readFileSync(path.join(import.meta.dirname, "schema/debugAdapterProtocol.json"), "utf8"),
) as { $schema: string; definitions: Readonly<Record<string, Schema>> };
const ajv = new Ajv({ strict: false, allErrors: true, validateFormats: false });
ajv.addSchema(schema, "dap");

/** "continue" and "Response" give ContinueResponse; of what the schema does not know, its base type. */
export function definitionFor(name: string, suffix: string): string {
  const own = `${name.charAt(0).toUpperCase()}${name.slice(1)}${suffix}`;
  return Object.hasOwn(schema.definitions, own) ? own : suffix;
}

export function validate(definition: string, message: unknown): void {
  const check = ajv.getSchema(`dap#/definitions/${definition}`);
  if (check === undefined) throw new Error(`no schema ${definition}`);
  if (!check(message))
    throw new Error(`not a valid ${definition}: ${ajv.errorsText(check.errors)}\n${JSON.stringify(message)}`);
}

export const resolved = (type: Schema): Schema =>
  type.$ref === undefined ? type : schema.definitions[type.$ref.slice("#/definitions/".length)]!;

/** What adapters ask of clients. */
export const { definitions } = schema;

const REVERSED: ReadonlySet<string> = new Set(["runInTerminal", "startDebugging"]);

/** Every request that a client makes, with its arguments' type. */
export const REQUESTS: ReadonlyMap<string, Schema> = new Map(
  Object.entries(schema.definitions).flatMap(([name, { allOf }]) => {
    const properties = allOf?.[1]?.properties;
    const command = properties?.command?.enum?.[0] as string | undefined;
    if (!name.endsWith("Request") || command === undefined || REVERSED.has(command)) return [];
    return [[command, properties?.arguments ?? { type: "object" }] as const];
  }),
);
