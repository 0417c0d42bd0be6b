export {
  buildCatalogue,
  type Catalogue,
  type CatalogueEvent,
  type CatalogueSource,
  type CatalogueSubscriber,
  type PublishSite,
} from "./catalogue/catalogue.js";
export {
  type CatalogueProblem,
  checkCatalogue,
  type Ownership,
  parseOwnership,
} from "./catalogue/check-catalogue.js";
export {
  type AcceptedFindings,
  checkGraph,
  type GraphCheck,
  type GraphFinding,
  type GraphSource,
  parseAccepted,
} from "./catalogue/check-graph.js";
export { compareFolder, type FolderDifference, writeFolder } from "./catalogue/output-folder.js";
export type { SchemaField } from "./catalogue/schema-fields.js";
export { type MarkdownOptions, toMarkdown } from "./catalogue/to-markdown.js";
export { toMermaid } from "./catalogue/to-mermaid.js";
