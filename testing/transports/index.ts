export { openTransport, type TransportPlace } from "./open-transport.js";
