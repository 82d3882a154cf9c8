import assert from "node:assert/strict";
import { test } from "node:test";
import { ConfigError } from "../../../core/errors.ts";
import { slackSignature } from "../../../cli/sign.ts";
import { verifySlackSignature } from "../../../slack/signature.ts";

/** The example that Slack publishes: https://docs.slack.dev/authentication/verifying-requests-from-slack */
const SECRET = "8f742231b10e8888abcd99yyyzzz85a5";
const TIMESTAMP = "1531420618";
const BODY = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V" +
  "&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=" +
  "&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN" +
  "&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";
const SIGNATURE = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";
const NOW = Number(TIMESTAMP) * 1000;

const genuine = { secrets: SECRET, timestamp: TIMESTAMP, signature: SIGNATURE, body: BODY, now: NOW };

test("verifySlackSignature accepts Slack's published example", async () => {
  assert.equal(await verifySlackSignature(genuine), true);
  assert.equal(await verifySlackSignature({ ...genuine, body: new TextEncoder().encode(BODY) }), true);
});

test("verifySlackSignature refuses one changed bit anywhere", async () => {
  assert.equal(await verifySlackSignature({ ...genuine, body: BODY.replace("roadrunner", "roadrunnes") }), false);
  assert.equal(await verifySlackSignature({ ...genuine, secrets: SECRET.replace("8f", "8e") }), false);
  assert.equal(await verifySlackSignature({ ...genuine, timestamp: "1531420619" }), false);
  for (let index = 3; index < SIGNATURE.length; index++) {
    const digit = SIGNATURE[index] === "0" ? "1" : "0";
    const signature = SIGNATURE.slice(0, index) + digit + SIGNATURE.slice(index + 1);
    assert.equal(await verifySlackSignature({ ...genuine, signature }), false, `digit ${index}`);
  }
});

test("verifySlackSignature refuses a signature of another form", async () => {
  const forms = [
    "",
    "v0=",
    SIGNATURE.slice(3),
    SIGNATURE.slice(0, -1),
    `${SIGNATURE}0`,
    `${SIGNATURE} `,
    `v1${SIGNATURE.slice(2)}`,
  ];
  for (const signature of [...forms, SIGNATURE.replace("a2", "zz"), SIGNATURE.replace("a2", "A2"), null, undefined]) {
    assert.equal(await verifySlackSignature({ ...genuine, signature }), false, `${signature}`);
  }
});

test("verifySlackSignature accepts five minutes either way, not a second more", async () => {
  for (const seconds of [-300, -1, 0, 1, 300]) {
    assert.equal(await verifySlackSignature({ ...genuine, now: NOW + seconds * 1000 }), true, `${seconds} s`);
  }
  for (const seconds of [-86_400, -301, 301, 86_400]) {
    assert.equal(await verifySlackSignature({ ...genuine, now: NOW + seconds * 1000 }), false, `${seconds} s`);
  }
});

test("verifySlackSignature reads the time of day by default", async () => {
  assert.equal(await verifySlackSignature({ ...genuine, now: undefined }), false);
});

test("verifySlackSignature refuses a timestamp that is not a number", async () => {
  for (
    const timestamp of [
      "abc",
      "NaN",
      "Infinity",
      "-1531420618",
      "1531420618.0",
      "0x5b4798ca",
      "1e9",
      " 1531420618",
      "15314206180000000000",
    ]
  ) {
    const signature = await slackSignature(SECRET, timestamp, BODY);
    assert.equal(await verifySlackSignature({ ...genuine, timestamp, signature }), false, timestamp);
  }
  for (const timestamp of ["", null, undefined]) {
    assert.equal(await verifySlackSignature({ ...genuine, timestamp }), false, `${timestamp}`);
  }
});

test("verifySlackSignature refuses everything when now is not a number", async () => {
  assert.equal(await verifySlackSignature({ ...genuine, now: NaN }), false);
});

test("verifySlackSignature accepts any of several secrets", async () => {
  assert.equal(await verifySlackSignature({ ...genuine, secrets: ["another", SECRET] }), true);
  assert.equal(await verifySlackSignature({ ...genuine, secrets: [SECRET, "another"] }), true);
  assert.equal(await verifySlackSignature({ ...genuine, secrets: ["another", "a third"] }), false);
});

test("verifySlackSignature names the place of a missing secret", async () => {
  for (const secrets of ["", "  ", [], [""], ["good", ""], undefined as unknown as string]) {
    await assert.rejects(verifySlackSignature({ ...genuine, secrets }), (error) => {
      assert.ok(error instanceof ConfigError);
      assert.match(error.message, /Basic Information > Signing Secret/);
      return true;
    });
  }
});

test("verifySlackSignature verifies the bytes as they came", async () => {
  const body = "\u0000\ufeff\ud83d\ude00 ü";
  const signature = await slackSignature(SECRET, TIMESTAMP, body);
  assert.equal(await verifySlackSignature({ ...genuine, body, signature }), true);
  assert.equal(await verifySlackSignature({ ...genuine, body: new TextEncoder().encode(body), signature }), true);
});
