import { describeWebhookTurns } from "./testing/describe-webhook-turns.js";

describeWebhookTurns("SQLite");
