export { type DispatchLogContractOptions, describeDispatchLog } from "./dispatch-log-contract.js";
export { createTestStore, type TestStore, type TestStoreOptions } from "./test-store.js";
export {
  describeTransport,
  type TestRunner,
  type TransportContractOptions,
  type TransportUnderTest,
} from "./transports/contract.js";
