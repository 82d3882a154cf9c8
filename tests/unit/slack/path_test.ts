import assert from "node:assert/strict";
import { test } from "node:test";
import { normalizePath, pathOf } from "../../../slack/path.ts";
import { slackRequest } from "../../../cli/sign.ts";
import { MENTION, SECRET, setUp, URL_OF_EVENTS } from "./support/webhook.ts";

/** A request as a server makes it: its `url` is put together from the Host header and need not be a URL. */
function served(url: string, host: string | null, init: RequestInit = {}): Request {
  const request = new Request("https://bot.example/", init);
  const headers = new Headers(init.headers);
  const view = { get: (name: string) => name.toLowerCase() === "host" ? host : headers.get(name) };
  return new Proxy(request, {
    get(target, name) {
      if (name === "url") return url;
      if (name === "headers") return view;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

const HOSTS = [
  "a b",
  "h:99999",
  "[::1",
  "%",
  "a@b",
  "x\\y",
  "x/slack/events",
  "x/slack/events?",
  "x/slack/events#",
  "/",
];

test("pathOf returns the path whatever the Host header is", () => {
  for (const host of HOSTS) {
    assert.equal(pathOf(served(`http://${host}/health`, host)), "/health", host);
    assert.equal(pathOf(served(`https://${host}/slack/events?x=1`, host)), "/slack/events", host);
  }
});

test("pathOf takes a bare path, as Bun gives it without a host", () => {
  assert.equal(pathOf(served("/health", null)), "/health");
  assert.equal(pathOf(served("/health?x#y", "a b")), "/health");
});

test("pathOf normalises as a URL does", () => {
  assert.equal(pathOf(served("http://h/a/../health", "h")), "/health");
  assert.equal(pathOf(served("http://H.Example/h\u00e9", "H.Example")), "/h%C3%A9");
  assert.equal(pathOf(served("http://h//slack/events", "h")), "//slack/events");
});

test("pathOf takes a whole URL as the request target", () => {
  assert.equal(pathOf(served("http://evil.example/slack/events", "bot.example")), "/slack/events");
  assert.equal(pathOf(new Request("https://bot.example")), "/");
});

test("pathOf returns undefined when a request has no path", () => {
  for (const url of ["*", "", "bot.example:443", "http://h*"]) {
    assert.notEqual(pathOf(served(url, null)), "/slack/events");
  }
  assert.equal(pathOf(served("*", null)), undefined);
  const broken = new Proxy(new Request("https://bot.example/"), {
    get() {
      throw new TypeError("Invalid URL");
    },
  });
  assert.equal(pathOf(broken), undefined);
});

test("normalizePath refuses what is not a path", () => {
  for (const target of ["slack/events", "https://bot.example/slack/events", "", "*"]) {
    assert.equal(normalizePath(target), undefined);
  }
});

test("SlackReceiver.fetch answers and counts every request, whatever its Host", async () => {
  const signed = await slackRequest(URL_OF_EVENTS, { secret: SECRET, body: MENTION });
  const body = await signed.text();
  for (const host of HOSTS) {
    const { receiver, reports, backend } = setUp();
    const init = { method: "POST", headers: Object.fromEntries(signed.headers), body };
    assert.equal((await receiver.fetch(served(`http://${host}/slack/events`, host, init))).status, 200, host);
    assert.equal(backend.published.length, 1);
    assert.equal((await receiver.fetch(served(`http://${host}/health`, host))).status, 200, host);
    assert.equal((await receiver.fetch(served(`http://${host}/`, host))).status, 404, host);
    assert.equal((await receiver.fetch(served("*", host))).status, 404, host);
    assert.deepEqual(reports.map(({ outcome }) => outcome), ["accepted", "healthy", "notFound", "notFound"]);
  }
});
