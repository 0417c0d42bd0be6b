export { startTestIssuer, type TestIssuer } from "./testing/issuer.js";
export { createTestTokens, type TestTokens } from "./testing/tokens.js";
