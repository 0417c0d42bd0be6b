export { type BullmqTransport, type BullmqTransportOptions, createBullmqTransport } from "./transport.js";
