export { builtInDefinitions } from "./built-in-definitions.js";
export * from "./definition.js";
export * from "./definition-file.js";
export { type FileReading, type FolderReading, readDefinitionFolder } from "./definition-folder.js";
export { definitionSchema } from "./definition-schema.js";
export * from "./payload.js";
export { createRegistry, type Registry } from "./registry.js";
export * from "./urgency.js";
