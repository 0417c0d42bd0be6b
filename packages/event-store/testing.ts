export {
  describeTransport,
  type TestRunner,
  type TransportContractOptions,
  type TransportUnderTest,
} from "./transports/contract.js";
