import type { LookupOptions } from "node:dns";
import { createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, expect, test } from "vitest";
import { KernelError } from "../kernel-errors.js";
import { createEgressGuard, type EgressGuardOptions } from "./egress-guard.js";

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

test.each([
  "http://127.0.0.1/",
  "http://0x7f.1/",
  "http://2130706433/",
  "http://0177.0.0.1/",
  "http://127.1/",
  "http://[::1]/",
  "http://[::]/",
  "http://[::ffff:127.0.0.1]/",
  "http://[::ffff:7f00:1]/",
  "http://[64:ff9b::7f00:1]/",
  "http://[fe80::1]/",
  "http://169.254.169.254/latest/meta-data/",
  "http://10.0.0.1:6379/",
  "http://0/",
])("PF-037 %s is refused before anything connects", async (url) => {
  await expect(createEgressGuard().request(url)).rejects.toMatchObject({ code: "EGRESS_REFUSED", retryable: false });
});

test("PF-037 localhost is refused by what it resolves to, with and without a trailing dot", async () => {
  for (const url of ["http://localhost/", "http://LOCALHOST./"]) {
    await expect(createEgressGuard().check(url)).rejects.toMatchObject({
      code: "EGRESS_REFUSED",
      details: { reason: "loopback", host: "localhost" },
    });
  }
});

test.each([
  "file:///etc/passwd",
  "gopher://203.0.113.5/",
  "not a url",
  "http://user@93.184.215.14/",
  "http://:pass@93.184.215.14/",
  "javascript:1",
])("PF-037 %s is no URL to call", async (url) => {
  await expect(createEgressGuard().check(url)).rejects.toMatchObject({ code: "EGRESS_REFUSED" });
});

test("PF-037 a host with one private address among public ones is refused", async () => {
  const guard = createEgressGuard({ resolve: async () => ["93.184.215.14", "2606:4700:4700::1111", "10.0.0.5"] });
  await expect(guard.check("https://mixed.example.test/")).rejects.toMatchObject({
    details: { reason: "private", host: "mixed.example.test", address: "10.0.0.5" },
  });
});

test("PF-037 what the resolver answers must be addresses", async () => {
  for (const answer of ["010.0.0.1", "localhost", "", "1.2.3"]) {
    const guard = createEgressGuard({ resolve: async () => [answer] });
    await expect(guard.check("http://odd.example.test/")).rejects.toMatchObject({ code: "EGRESS_REFUSED" });
  }
});

test("PF-037 a public host passes with all its addresses and its port", async () => {
  const guard = createEgressGuard({ resolve: async () => ["93.184.215.14", "2606:4700:4700::1111"] });
  expect(await guard.check("wss://Relay.example.test./path", { protocols: ["ws", "wss"] })).toMatchObject({
    host: "relay.example.test",
    port: 443,
    addresses: [
      { address: "93.184.215.14", family: 4 },
      { address: "2606:4700:4700::1111", family: 6 },
    ],
  });
  expect(await guard.check("http://relay.example.test:8080/")).toMatchObject({ port: 8080 });
});

test("PF-037 a name that does not resolve is worth another attempt", async () => {
  const lost = createEgressGuard({ resolve: () => Promise.reject(new Error("ENOTFOUND")) });
  await expect(lost.request("http://gone.example.test/")).rejects.toMatchObject({
    code: "EGRESS_UNRESOLVED",
    retryable: true,
  });
  const empty = createEgressGuard({ resolve: async () => [] });
  await expect(empty.check("http://empty.example.test/")).rejects.toMatchObject({ code: "EGRESS_UNRESOLVED" });
});

test("PF-037 the request goes to the address that was checked although the name has moved since", async () => {
  const { port } = await serve((_, response) => response.end("reached"));
  const answers = [["127.0.0.1"], ["10.0.0.1"]];
  let questions = 0;
  const guard = createEgressGuard({
    allowPrivate: ["127.0.0.0/8"],
    resolve: async () => answers[questions++] ?? [],
  });
  const { body } = await guard.request(`http://moving.example.test:${port}/`);
  expect(text(body)).toBe("reached");
  expect(questions).toBe(1);
});

test("PF-037 a name that turns private between two requests is refused the second time (rebinding)", async () => {
  const { port, requests } = await serve((_, response) => response.end("internal"));
  const answers = [["93.184.215.14"], ["127.0.0.1"]];
  const guard = createEgressGuard({ resolve: async () => answers.shift() ?? [] });
  const url = `http://rebinding.example.test:${port}/`;
  const first = await guard.check(url);
  // Whoever connects by the first answer gets the public address, never the second answer.
  await new Promise<void>((resolve) => {
    first.lookup("rebinding.example.test", { all: true }, (error, addresses) => {
      expect(error).toBeNull();
      expect(addresses).toEqual([{ address: "93.184.215.14", family: 4 }]);
      resolve();
    });
  });
  await expect(guard.request(url)).rejects.toMatchObject({ code: "EGRESS_REFUSED" });
  expect(requests).toEqual([]);
});

test("PF-037 the pinned look-up serves other clients and refuses every other name", async () => {
  const { port } = await serve((_, response) => response.end("reached"));
  const checked = await guardFor({ "a.example.test": "127.0.0.1" }).check(`http://a.example.test:${port}/`);
  const fetched = (host: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const sent = request({ host, port, lookup: checked.lookup, agent: false }, (response) => {
        response.resume();
        resolve(`${response.statusCode} from ${response.socket.remoteAddress}`);
      });
      sent.on("error", reject);
      sent.end();
    });
  expect(await fetched("a.example.test")).toBe("200 from 127.0.0.1");
  await expect(fetched("b.example.test")).rejects.toMatchObject({ code: "EGRESS_REFUSED" });
});

test("the pinned look-up answers in each form that Node asks for", async () => {
  const guard = createEgressGuard({ resolve: async () => ["2606:4700:4700::1111", "93.184.215.14"] });
  const { lookup } = await guard.check("http://a.example.test/");
  const asked = (options: LookupOptions): Promise<unknown> =>
    new Promise((resolve) => {
      lookup("a.example.test", options, (error, address, family) => resolve(error ?? [address, family]));
    });
  expect(await asked({})).toEqual(["2606:4700:4700::1111", 6]);
  expect(await asked({ family: 4 })).toEqual(["93.184.215.14", 4]);
  expect(await asked({ family: "IPv4" })).toEqual(["93.184.215.14", 4]);
  expect(await asked({ family: "IPv6", all: true })).toEqual([
    [{ address: "2606:4700:4700::1111", family: 6 }],
    undefined,
  ]);
  expect(await asked({ family: 0, all: true })).toMatchObject([[{ family: 6 }, { family: 4 }], undefined]);
});

test("PF-037 listed hosts, addresses and networks may be called", async () => {
  const { port } = await serve((_, response) => response.end("reached"));
  const resolve = async (): Promise<string[]> => ["127.0.0.1"];
  for (const allowPrivate of [["hooks.internal"], ["*.internal"], ["127.0.0.1"], ["127.0.0.0/8"]]) {
    const guard = createEgressGuard({ allowPrivate, resolve });
    expect(text((await guard.request(`http://hooks.internal:${port}/`)).body)).toBe("reached");
  }
  const other = createEgressGuard({ allowPrivate: ["other.internal", "10.0.0.0/8"], resolve });
  await expect(other.request(`http://hooks.internal:${port}/`)).rejects.toMatchObject({ code: "EGRESS_REFUSED" });
});

test("a request carries method, headers and body, and keeps the host's name", async () => {
  const { port, requests } = await serve((_, response) => {
    response.writeHead(202, { "X-Answer": "yes", "set-cookie": ["a=1", "b=2"] }).end("taken");
  });
  const guard = guardFor({ "hooks.example.test": "127.0.0.1" });
  const response = await guard.request(`http://hooks.example.test:${port}/in?x=1`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "x-signature": "s" },
    body: '{"a":1}',
  });
  expect(response).toMatchObject({ status: 202, headers: { "x-answer": "yes", "set-cookie": "a=1, b=2" } });
  expect(text(response.body)).toBe("taken");
  expect(requests).toEqual([
    expect.objectContaining({ method: "POST", url: "/in?x=1", host: `hooks.example.test:${port}`, body: '{"a":1}' }),
  ]);
});

test("PF-037 a redirect is not followed unless it is asked for", async () => {
  const { port, requests } = await serve((_, response) => response.writeHead(302, { location: "/other" }).end());
  const response = await guardFor({ "a.example.test": "127.0.0.1" }).request(`http://a.example.test:${port}/`);
  expect(response.status).toBe(302);
  expect(requests).toHaveLength(1);
});

test("PF-037 a followed redirect passes the same guard", async () => {
  const inner = await serve((_, response) => response.end("internal"));
  const outer = await serve((_, response) => {
    response.writeHead(302, { location: `http://internal.example.test:${inner.port}/` }).end();
  });
  const guard = createEgressGuard({
    allowPrivate: ["public.example.test"],
    resolve: async () => ["127.0.0.1"],
  });
  await expect(guard.request(`http://public.example.test:${outer.port}/`, { maxRedirects: 3 })).rejects.toMatchObject({
    code: "EGRESS_REFUSED",
    details: { host: "internal.example.test" },
  });
  expect(inner.requests).toEqual([]);
});

test("PF-037 redirects are limited in number", async () => {
  const { port, requests } = await serve((_, response) => response.writeHead(302, { location: "/again" }).end());
  const guard = guardFor({ "a.example.test": "127.0.0.1" });
  await expect(guard.request(`http://a.example.test:${port}/`, { maxRedirects: 2 })).rejects.toMatchObject({
    code: "EGRESS_REDIRECT_REFUSED",
  });
  expect(requests).toHaveLength(3);
});

test("PF-037 credentials do not follow a redirect to another origin", async () => {
  const other = await serve((_, response) => response.end("other"));
  const first = await serve((_, response) => {
    response.writeHead(307, { location: `http://b.example.test:${other.port}/` }).end();
  });
  const guard = guardFor({ "a.example.test": "127.0.0.1", "b.example.test": "127.0.0.1" });
  const response = await guard.request(`http://a.example.test:${first.port}/`, {
    method: "POST",
    body: "kept",
    headers: { authorization: "Bearer t", "x-gitlab-token": "t", cookie: "c", "content-type": "text/plain" },
    maxRedirects: 1,
  });
  expect(response.url).toBe(`http://b.example.test:${other.port}/`);
  const [{ headers, method, body } = { headers: {}, method: "", body: "" }] = other.requests;
  expect({ method, body }).toEqual({ method: "POST", body: "kept" });
  expect(Object.keys(headers).sort()).toEqual(["connection", "content-length", "content-type", "host"]);
});

test("a POST that is redirected by 302 goes on as GET, without body, with headers at the same origin", async () => {
  const { port, requests } = await serve((request, response) => {
    if (request.url === "/") response.writeHead(302, { location: "/next" }).end();
    else response.end("done");
  });
  const guard = guardFor({ "a.example.test": "127.0.0.1" });
  await guard.request(`http://a.example.test:${port}/`, {
    method: "POST",
    body: "once",
    headers: { authorization: "Bearer t", "content-type": "text/plain" },
    maxRedirects: 1,
  });
  expect(requests[1]).toMatchObject({ method: "GET", url: "/next", body: "", headers: { authorization: "Bearer t" } });
  expect(requests[1]?.headers["content-type"]).toBeUndefined();
});

test("PF-037 an answer beyond the size limit is cut off", async () => {
  const { port } = await serve((_, response) => {
    const more = (): void => {
      while (!response.destroyed && response.write("x".repeat(16_384)));
    };
    response.on("drain", more);
    more();
  });
  const guard = guardFor({ "endless.example.test": "127.0.0.1" });
  const url = `http://endless.example.test:${port}/`;
  await expect(guard.request(url, { maxResponseBytes: 100_000 })).rejects.toMatchObject({
    code: "EGRESS_TOO_LARGE",
    details: { max_bytes: 100_000 },
  });
});

test("an answer of exactly the size limit is taken whole", async () => {
  const { port } = await serve((_, response) => response.end("x".repeat(1000)));
  const guard = guardFor({ "a.example.test": "127.0.0.1" });
  const { body } = await guard.request(`http://a.example.test:${port}/`, { maxResponseBytes: 1000 });
  expect(body).toHaveLength(1000);
});

test("PF-037 the time limit covers a silent server, a dripping body and a slow resolver", async () => {
  const silent = await serve(() => {});
  const dripping = await serve((_, response) => {
    const drip = setInterval(() => response.write("."), 5);
    response.on("close", () => clearInterval(drip));
  });
  const guard = guardFor({ "a.example.test": "127.0.0.1" });
  const stuck = createEgressGuard({ resolve: () => new Promise(() => {}) });
  const attempts = [
    guard.request(`http://a.example.test:${silent.port}/`, { timeoutMs: 50 }),
    guard.request(`http://a.example.test:${dripping.port}/`, { timeoutMs: 50 }),
    stuck.request("http://stuck.example.test/", { timeoutMs: 50 }),
  ];
  for (const outcome of await Promise.allSettled(attempts)) {
    expect(outcome).toMatchObject({ status: "rejected", reason: { code: "EGRESS_TIMEOUT", retryable: true } });
  }
});

test("an aborted request rejects with the signal's reason and lets the connection go", async () => {
  let closed = (): void => {};
  const connectionClosed = new Promise<void>((resolve) => {
    closed = resolve;
  });
  const abort = new AbortController();
  const { port } = await serve((_, response) => {
    response.on("close", closed);
    abort.abort(new Error("stopping"));
  });
  const guard = guardFor({ "a.example.test": "127.0.0.1" });
  const url = `http://a.example.test:${port}/`;
  await expect(guard.request(url, { signal: abort.signal })).rejects.toThrow("stopping");
  await connectionClosed;
  await expect(guard.request(url, { signal: abort.signal })).rejects.toThrow("stopping");
});

test("a server that breaks off is worth another attempt", async () => {
  const { port } = await serve((_, response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("half", () => response.destroy());
  });
  const guard = guardFor({ "a.example.test": "127.0.0.1" });
  const failure = await guard.request(`http://a.example.test:${port}/`).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(KernelError);
  expect(failure).toMatchObject({ code: "EGRESS_UNREACHABLE", retryable: true, cause: expect.any(Error) });
});

test("PF-037 what the operator lists is checked when the guard is made", () => {
  expect(() => createEgressGuard({ allowPrivate: ["10.0.0.0/99"] })).toThrow(TypeError);
});

/** A guard whose names lead to this machine, which it may call. */
function guardFor(names: Readonly<Record<string, string>>) {
  const resolve: EgressGuardOptions["resolve"] = async (host) =>
    [names[host]].filter((address) => address !== undefined);
  return createEgressGuard({ allowPrivate: Object.keys(names), resolve });
}

interface SeenRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly host: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: string;
}

/** A server on a free port of this machine that remembers what it was asked. */
async function serve(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<{ port: number; requests: SeenRequest[] }> {
  const requests: SeenRequest[] = [];
  const server = createServer((request, response) => {
    const { method, url, headers } = request;
    const chunks: Uint8Array[] = [];
    request.on("data", (chunk: Uint8Array) => chunks.push(chunk));
    request.on("end", () => {
      requests.push({ method, url, host: headers.host, headers, body: Buffer.concat(chunks).toString() });
      answer(request, response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return { port: (server.address() as AddressInfo).port, requests };
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString();
}
