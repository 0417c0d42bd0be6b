export { type CaseStep, type TransitionCase, transitionCases } from "./contract/cases.js";
export { admitOptions, checkpointOf, definitionOf } from "./contract/journeys.js";
export type { StoreContractOptions, StoreOptOut, StoreUnderTest } from "./contract/subject.js";
export { describeExperienceStore } from "./contract.js";
