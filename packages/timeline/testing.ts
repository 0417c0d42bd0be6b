export { describeTimelineSource, type SourceSubject, type SourceUnderTest } from "./contract.js";
