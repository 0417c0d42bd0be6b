import { join } from "node:path";
import { openDatabase } from "@signalbox/database";
import { createAuthenticator, createTokenKey } from "@signalbox/http";
import { Ajv } from "ajv";
import { fastify } from "fastify";

// A route that does the least a receiver of checkpoints has to do: verify the token, validate the JSON, write one row in a
// group commit. Started as a process of its own with the token key's directory; writes its port to standard output.
const [directory = "."] = process.argv.slice(2);
const text = { type: "string" };
const validate = new Ajv().compile({
  type: "object",
  required: [
    "correlation_id",
    "covered_experience_id",
    "checkpoint",
    "type",
    "feature_category",
    "urgency",
    "client_timestamp",
  ],
  properties: {
    correlation_id: { type: "string", pattern: "^[0-7][0-9A-HJKMNP-TV-Z]{25}$" },
    covered_experience_id: text,
    checkpoint: { enum: ["start", "intermediate", "end"] },
    type: text,
    feature_category: text,
    urgency: text,
    client_timestamp: text,
  },
});
const authenticator = createAuthenticator({ key: await createTokenKey(directory), isRevoked: () => false });
const database = await openDatabase({ path: join(directory, "peer.sqlite") });
await database.run("create table checkpoints (id integer primary key, at integer, body text)");
const server = fastify();
server.post("/api/v1/experience/checkpoints", async (request, reply) => {
  await authenticator.authenticate(request.headers.authorization?.slice("Bearer ".length));
  if (!validate(request.body)) return reply.code(422).send({ code: "invalid" });
  await database.runMany("insert into checkpoints (at, body) values (?, ?)", [
    [Date.now(), JSON.stringify(request.body)],
  ]);
  return reply.code(201).send({ ok: true });
});
const address = await server.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${new URL(address).port}\n`);
