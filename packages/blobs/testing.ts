export { type BlobsContractOptions, type BlobsUnderTest, describeBlobs } from "./contract.js";
