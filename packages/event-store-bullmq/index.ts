export { type BullmqTransportOptions, createBullmqTransport } from "./transport.js";
