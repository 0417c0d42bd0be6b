export * from "./access.js";
export * from "./errors.js";
export * from "./pagination.js";
export * from "./problems.js";
export * from "./scopes.js";
export * from "./server.js";
