// What users do with nats.js, against the server given as arguments: client.mjs BINARY [FLAGS...].

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import { createInterface } from "node:readline";

import {
  AuthorizationError,
  connect,
  headers,
  InvalidArgumentError,
  NoRespondersError,
  RequestError,
} from "@nats-io/transport-node";

const [binary, ...binaryFlags] = process.argv.slice(2);
const TIMEOUT_MS = 5_000;
const READY_TIMEOUT_MS = 30_000;

class Server {
  static async start({ port, flags = [] } = {}) {
    const server = new Server();
    server.port = port ?? await freePort();
    server.options = { servers: `127.0.0.1:${server.port}` };
    const given = [...binaryFlags, "-a", "127.0.0.1", "-p", `${server.port}`, ...flags];
    server.process = spawn(binary, given, { stdio: ["ignore", "ignore", "pipe"] });
    server.exited = once(server.process, "exit");
    const lines = createInterface({ input: server.process.stderr });
    await within(READY_TIMEOUT_MS, `start of ${binary} ${given.join(" ")}`, new Promise((ready) => {
      lines.on("line", (line) => line.includes("Server is ready") && ready());
    }));
    return server;
  }

  connect(options = {}) {
    return connect({ ...this.options, ...options });
  }

  async stop() {
    this.process.kill("SIGTERM");
    await within(TIMEOUT_MS, "end of the server", this.exited);
  }
}

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

function within(ms, what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no ${what} within ${ms} ms`)), ms);
  });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/** The next `count` messages of a subscription. */
async function take(subscription, count) {
  const taken = [];
  const reading = (async () => {
    for await (const message of subscription) {
      taken.push(message);
      if (taken.length === count) return;
    }
  })();
  await within(TIMEOUT_MS, `${count} messages on ${subscription.getSubject()}`, reading);
  return taken;
}

async function connectMany(server, count) {
  return Promise.all(Array.from({ length: count }, () => server.connect()));
}

async function publishAndSubscribe(server) {
  const clients = await connectMany(server, 10);
  const subscriptions = clients.map((client) => client.subscribe("orders.*", { max: 500 }));
  await Promise.all(clients.map((client) => client.flush()));
  for (let number = 0; number < 500; number += 1) {
    const block = headers();
    block.set("N", `${number}`);
    clients[0].publish("orders.new", `${number}`, { headers: block });
  }
  for (const subscription of subscriptions) {
    const messages = await take(subscription, 500);
    messages.forEach((message, number) => {
      assert.equal(message.string(), `${number}`);
      assert.equal(message.headers.get("N"), `${number}`);
    });
  }
  const limited = clients[9].subscribe("few", { max: 3 });
  await clients[9].flush();
  for (let number = 0; number < 5; number += 1) clients[0].publish("few");
  await take(limited, 3);
  await clients[0].flush();
  await clients[9].flush();
  assert.equal(limited.getReceived(), 3);
  await Promise.all(clients.map((client) => client.close()));
}

async function requestAndQueue(server) {
  const [asking, ...serving] = await connectMany(server, 9);
  const counts = serving.map(() => 0);
  serving.forEach((client, at) => {
    client.subscribe("service", {
      queue: "workers",
      callback: (_, message) => {
        counts[at] += 1;
        message.respond(`re:${message.string()}`);
      },
    });
  });
  await Promise.all(serving.map((client) => client.flush()));
  for (let number = 0; number < 400; number += 1) {
    const noMux = number % 2 === 0;
    const reply = await asking.request("service", `${number}`, { timeout: TIMEOUT_MS, noMux });
    assert.equal(reply.string(), `re:${number}`);
  }
  assert.equal(counts.reduce((sum, count) => sum + count), 400);
  assert.ok(counts.every((count) => count > 0), `${counts}`);
  await assert.rejects(asking.request("nobody", "", { timeout: TIMEOUT_MS }), (error) =>
    error instanceof NoRespondersError ||
    (error instanceof RequestError && error.isNoResponders()));
  const tooLarge = new Uint8Array(asking.info.max_payload + 1);
  assert.throws(() => asking.publish("service", tooLarge), InvalidArgumentError);
  await Promise.all([asking, ...serving].map((client) => client.close()));
}

/** What was sent before a drain began is still handled. */
async function drain(server) {
  const [publisher, receiver] = await connectMany(server, 2);
  let handled = 0;
  receiver.subscribe("work", { callback: () => { handled += 1; } });
  await receiver.flush();
  for (let number = 0; number < 1_000; number += 1) publisher.publish("work", `${number}`);
  await publisher.flush();
  await within(TIMEOUT_MS, "drain", receiver.drain());
  assert.equal(handled, 1_000);
  await publisher.drain();
}

async function reconnect() {
  let server = await Server.start();
  const client = await server.connect({ reconnectTimeWait: 50, maxReconnectAttempts: -1 });
  const back = (async () => {
    for await (const status of client.status()) {
      if (status.type === "reconnect") return;
    }
  })();
  const subscription = client.subscribe("after");
  await client.flush();
  await server.stop();
  server = await Server.start({ port: server.port });
  await within(READY_TIMEOUT_MS, "reconnect", back);
  client.publish("after", "restart");
  const [message] = await take(subscription, 1);
  assert.equal(message.string(), "restart");
  await client.close();
  await server.stop();
}

async function authorization() {
  const refused = async (server, options) => {
    await assert.rejects(server.connect({ ...options, reconnect: false }), (error) =>
      error instanceof AuthorizationError || error.cause instanceof AuthorizationError);
  };
  const accepted = async (server, options) => {
    const client = await server.connect(options);
    await client.flush();
    await client.close();
  };
  const byToken = await Server.start({ flags: ["--auth", "s3cr3t"] });
  await accepted(byToken, { token: "s3cr3t" });
  await refused(byToken, { token: "wrong" });
  await refused(byToken, {});
  await byToken.stop();
  const byPassword = await Server.start({ flags: ["--user", "joe", "--pass", "secret"] });
  await accepted(byPassword, { user: "joe", pass: "secret" });
  await refused(byPassword, { user: "joe", pass: "wrong" });
  await byPassword.stop();
}

/** What needs no server of its own. */
const ON_ONE_SERVER = [publishAndSubscribe, requestAndQueue, drain];
const WITH_THEIR_OWN = [reconnect, authorization];

const server = await Server.start();
for (const test of ON_ONE_SERVER) await test(server);
await server.stop();
for (const test of WITH_THEIR_OWN) await test();
console.log("nats.js:", process.argv.slice(2).join(" "), "passed");
