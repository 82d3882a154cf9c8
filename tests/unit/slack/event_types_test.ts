// not on workerd: it compares types, and starts the type checker
// not on bun: Bun does not check types
// not on node: Node does not check types
import assert from "node:assert/strict";
import { test } from "node:test";
import type * as theirs from "@slack/types";
import { run } from "../../runner/child.ts";
import { ROOT } from "../../runner/suites.ts";
import type { SlackEventMap } from "../../../slack/mod.ts";

/** The members that are always there. */
type Required<T> = { [Name in keyof T]-?: Record<never, never> extends Pick<T, Name> ? never : Name }[keyof T];

/** The paths of members that ours require and theirs do not. */
type Overpromised<Ours, Theirs> = string extends keyof Ours ? never
  : Ours extends string | number | boolean | null | undefined | readonly unknown[] ? never
  : {
    [Name in Required<Ours> & string]: Name extends Required<Theirs>
      ? Overpromised<Ours[Name], Theirs[Name & keyof Theirs]> extends infer Path
        ? Path extends string ? `${Name}.${Path}` : never
      : never
      : Name;
  }[Required<Ours> & string];

type Their = theirs.SlackEvent;
type TheirSubtype = Exclude<Extract<Their, { type: "message" }>["subtype"], undefined>;
/** Slack documents it, and its events come without a subtype. */
type NeverSent = "message_replied";

/** Slack's names that ours lack. */
type Missing =
  | Exclude<Their["type"], keyof SlackEventMap>
  | Exclude<`message.${Exclude<TheirSubtype, NeverSent>}`, keyof SlackEventMap>;

/** For each of Slack's types, what ours promise beyond it. */
type Broken = {
  [Type in Exclude<Their["type"], "message"> & keyof SlackEventMap]: Overpromised<
    SlackEventMap[Type],
    Extract<Their, { type: Type }>
  >;
};
type BrokenMessages = {
  [Subtype in Exclude<TheirSubtype, NeverSent>]: `message.${Subtype}` extends keyof SlackEventMap
    ? Overpromised<SlackEventMap[`message.${Subtype}`], Extract<Their, { type: "message"; subtype: Subtype }>>
    : never;
};

/** Compiles only when there is nothing in `T`. */
function nothing<T extends never>(..._: T[]): void {}

nothing<Missing>();
nothing<Broken[keyof Broken]>();
nothing<BrokenMessages[keyof BrokenMessages]>();
nothing<Overpromised<SlackEventMap["message"], theirs.GenericMessageEvent>>();

// The comparison finds what is wrong: each of these must not compile.
// @ts-expect-error: a member that Slack does not always send
nothing<Overpromised<{ type: string; tab: string }, theirs.AppHomeOpenedEvent>>();
// @ts-expect-error: the same, one level deeper
nothing<Overpromised<{ item: { message: object } }, theirs.PinAddedEvent>>();
// @ts-expect-error: a name that ours lack
nothing<Exclude<Their["type"] | "brand_new_event", keyof SlackEventMap>>();

test("SlackEventMap has every type of @slack/types and requires no more than it", async () => {
  const args = ["check", "-c", "tests/deno.json", "tests/unit/slack/event_types_test.ts"];
  const { code, stdout, stderr } = await run(Deno.execPath(), args, { cwd: ROOT });
  assert.equal(code, 0, stdout + stderr);
});
