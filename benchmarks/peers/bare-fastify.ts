import { gunzipSync } from "node:zlib";
import { fastify } from "fastify";

// A handler that does the least a receiver of envelopes has to do: gunzip, split the lines, parse the JSON, answer.
// Started as a process of its own; writes its port to standard output.
const server = fastify();
server.addContentTypeParser("*", { parseAs: "buffer" }, (_request, body, done) => done(null, body));
server.post("/api/:project/envelope/", (request) => {
  const lines = gunzipSync(request.body as Buffer)
    .toString("utf8")
    .split("\n");
  const event = JSON.parse(lines[2] ?? "{}");
  return { id: event.event_id };
});
const address = await server.listen({ host: "127.0.0.1", port: 0 });
process.stdout.write(`${new URL(address).port}\n`);
