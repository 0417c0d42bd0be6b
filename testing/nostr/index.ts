export { type Conversation, type ConversationOptions, makeConversation } from "./conversation.js";
export { type DelayingProxy, type DelayingProxyOptions, startDelayingProxy } from "./delaying-proxy.js";
export { connectRelay, type RelayClient } from "./relay-client.js";
