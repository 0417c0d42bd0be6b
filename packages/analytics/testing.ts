export { type AnalyticsContractOptions, type AnalyticsUnderTest, describeAnalytics } from "./contract.js";
