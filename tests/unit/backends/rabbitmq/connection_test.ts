import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { EventEmitter } from "node:events";
import { test } from "node:test";
import type { AmqpChannel, AmqpConnection } from "../../../../backends/rabbitmq/client.ts";
import { Connection, Link } from "../../../../backends/rabbitmq/connection.ts";
import { PushConsumer } from "../../../../backends/rabbitmq/consumer.ts";
import { Mover } from "../../../../backends/rabbitmq/mover.ts";
import { Publisher } from "../../../../backends/rabbitmq/publisher.ts";
import { QueueError } from "../../../../core/errors.ts";

/** A client whose calls are answered by hand, and which forgets all that is not answered when its connection breaks. */
class FakeClient extends EventEmitter {
  readonly channels: FakeChannel[] = [];
  /** What opening a channel does; default: it opens. */
  opening: (channel: FakeChannel) => Promise<unknown> = (channel) => Promise.resolve(channel);

  createChannel(): Promise<unknown> {
    const channel = new FakeChannel();
    this.channels.push(channel);
    return this.opening(channel);
  }

  createConfirmChannel(): Promise<unknown> {
    return this.createChannel();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  /** The connection breaks. With its channels, as amqplib does it, or without a word about them. */
  break({ silent = false } = {}): void {
    if (!silent) { for (const channel of this.channels) channel.emit("close"); }
    this.emit("close", new Error("Unexpected close"));
  }

  connection(): Connection {
    return new Connection(this as unknown as AmqpConnection);
  }
}

const never = () => new Promise<never>(() => {});
const now = () => Promise.resolve({ messageCount: 0, consumerCount: 0, consumerTag: "1" });

/** A channel on which nothing is answered unless a test says so. */
class FakeChannel extends EventEmitter {
  readonly called: string[] = [];
  close = () => this.#call("close", never());
  checkQueue = () => this.#call("checkQueue", now());
  get = () => this.#call("get", never());
  consume = () => this.#call("consume", now());
  prefetch = () => this.#call("prefetch", now());
  publish = () => true;

  #call<T>(name: string, answer: Promise<T>): Promise<T> {
    this.called.push(name);
    this.emit("called", name);
    return answer;
  }

  async calls(name: string): Promise<void> {
    while (!this.called.includes(name)) await new Promise((resolve) => this.once("called", resolve));
  }
}

async function errorOf(promise: Promise<unknown>): Promise<QueueError> {
  const error = await promise.then(() => undefined, (thrown: unknown) => thrown);
  assert.ok(error instanceof QueueError, `${error}`);
  return error;
}

/** A turn of the event loop, in which whatever is ready has run. */
const turn = () => new Promise<void>((resolve) => setTimeout(resolve));

for (const silent of [false, true]) {
  const how = silent ? "silently" : "with its channels";

  test(`Connection.withChannel ends without an answer to its goodbye, ${how}`, async () => {
    const client = new FakeClient();
    const connection = client.connection();
    const working = connection.withChannel((channel) => channel.checkQueue("queue"));
    await turn();
    await client.channels[0]!.calls("close");
    client.break({ silent });
    assert.equal((await working).messageCount, 0, "the work was done");
    assert.equal((await errorOf(connection.withChannel(now))).code, "connection");
  });

  test(`A channel's calls end with their connection, ${how}`, async () => {
    const client = new FakeClient();
    const connection = client.connection();
    const channel = await connection.openChannel();
    const getting = channel.get("queue", { noAck: false });
    const closing = channel.close();
    client.break({ silent });
    await assert.rejects(getting);
    await closing;
    await channel.close(); // again
  });

  test(`Publisher knows no outcome where the connection breaks ${how}`, async () => {
    const client = new FakeClient();
    const publisher = new Publisher(new Link(() => Promise.resolve(client as unknown as AmqpConnection), 1_000));
    const { signal } = new AbortController();
    const message = { exchange: "", routingKey: "queue", content: Buffer.from("{}"), options: {} };
    await publisher.prepare(await publisher.connection(signal));
    const publishing = publisher.publish([message, message], signal);
    await turn();
    client.break({ silent });
    const codes = (await publishing).map((one) => one instanceof QueueError ? one.code : one);
    assert.deepEqual(codes, ["unknown-outcome", "unknown-outcome"]);
  });
}

test("Connection.once forgets a declaration that the connection's end interrupted", async () => {
  const client = new FakeClient();
  const connection = client.connection();
  const declaring = connection.once("queue", never);
  assert.equal(connection.once("queue", never), declaring);
  client.break();
  const { code, message } = await errorOf(declaring);
  assert.deepEqual([code, /Unexpected close/.test(message)], ["connection", true], message);
  assert.equal(connection.declared.size, 0);
});

test("Connection.openChannel ends with the connection where the client does not answer", async () => {
  const client = new FakeClient();
  client.opening = never;
  const connection = client.connection();
  const opening = connection.openChannel();
  client.break();
  assert.equal((await errorOf(opening)).code, "connection");
});

test("Connection tells the broker's own reason where that ends the channel", async () => {
  const client = new FakeClient();
  const connection = client.connection();
  const refused = Object.assign(new Error("Operation failed: 404 NOT-FOUND"), { code: 404 });
  const working = connection.withChannel((channel) => {
    const [raw] = client.channels;
    raw!.checkQueue = async () => {
      raw!.emit("error", new Error("Channel closed by server"));
      raw!.emit("close");
      for (let i = 0; i < 10; i++) await undefined; // amqplib's own answer comes some promises later
      throw refused;
    };
    return channel.checkQueue("queue");
  });
  await assert.rejects(working, refused);
  assert.equal(connection.lost, undefined);
});

test("Link connects anew where a connection had ended before anybody listened", async () => {
  const [dead, alive] = [new FakeClient(), new FakeClient()];
  // As amqplib does where the broker's goodbye comes together with its last word of welcome.
  dead.opening = () => Promise.reject(Object.assign(new Error("Connection closed"), { name: "IllegalOperationError" }));
  const clients = [dead, alive];
  const link = new Link(() => Promise.resolve(clients.shift() as unknown as AmqpConnection), 1_000);
  const { signal } = new AbortController();
  assert.equal((await errorOf((await link.open(signal)).openChannel())).code, "connection");
  await (await link.open(signal)).openChannel();
  assert.equal(alive.channels.length, 1);
});

test("Link listens to a connection that came too late: its errors end no process", async () => {
  const client = new FakeClient();
  const connecting = Promise.withResolvers<AmqpConnection>();
  const link = new Link(() => connecting.promise, 1);
  assert.equal((await errorOf(link.open(new AbortController().signal))).code, "connection");
  connecting.resolve(client as unknown as AmqpConnection);
  await turn();
  client.emit("error", new Error("read ECONNRESET"));
});

test("PushConsumer is lost whose channel ends before it is there", async () => {
  const client = new FakeClient();
  client.opening = async (channel) => {
    await undefined;
    queueMicrotask(() => client.break({ silent: true }));
    return channel;
  };
  const connection = client.connection();
  const actions = { release: () => Promise.resolve(), onGone: () => undefined, onClosed: () => undefined };
  const consumer = await PushConsumer.open(connection, "queue", actions).catch(errorOf);
  assert.equal(consumer instanceof PushConsumer ? consumer.lost?.code : "connection", "connection");
});

test("PushConsumer is lost for the reason for which its connection broke", async () => {
  const client = new FakeClient();
  const actions = { release: () => Promise.resolve(), onGone: () => undefined, onClosed: () => undefined };
  const consumer = await PushConsumer.open(client.connection(), "queue", actions);
  client.emit("error", Object.assign(new Error("timed out consuming from quorum queue"), { code: 541 }));
  client.break();
  assert.match(consumer.lost!.message, /^the connection broke: timed out consuming from quorum queue$/);
});

test("A channel calls a listener at once that is added after its end", async () => {
  const client = new FakeClient();
  const connection = client.connection();
  const channel = await connection.openChannel() as AmqpChannel;
  client.break();
  const told: unknown[] = [];
  channel.on("close", (error) => told.push(error));
  assert.equal(told.length, 1);
  assert.throws(() => channel.publish("", "queue", Buffer.from(""), {}, () => undefined));
});

test("Mover.close ends where the goodbye has no answer", async () => {
  const client = new FakeClient();
  const connection = client.connection();
  let closed = 0;
  const actions = { forward: () => Promise.resolve([]), onGone: () => undefined, onClosed: () => closed += 1 };
  const mover = await Mover.open(connection, "due", actions);
  const closing = mover.close();
  await client.channels[0]!.calls("close");
  client.break();
  await closing;
  assert.deepEqual([mover.closed, closed], [true, 1]);
});
