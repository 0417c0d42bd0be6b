export { type DatabaseContractOptions, type DatabaseUnderTest, describeDatabase } from "./contract.js";
