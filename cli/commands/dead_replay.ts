/**
 * `dead replay`: puts dead letters back into the queue.
 *
 * @module
 */
import { type Command, defineCommand } from "../command.ts";
import { closing } from "../open.ts";
import { checkChoice, countOf, inSteps } from "../dead.ts";
import { writeJson } from "../render.ts";

/** The command. */
export const command: Command = defineCommand({
  name: "dead replay",
  summary: "put dead letters back into the queue",
  usage: "<id…> | --all [options]",
  positionals: [0, Infinity],
  options: { all: { type: "boolean", help: "all that are there now" } },
  async run({ values, args: ids, io, key, group, open }) {
    checkChoice("dead replay", ids, values.all);
    return await closing(open(), async (backend) => {
      const letters = { key, group, ids };
      const total = await countOf(backend, letters, io);
      const replayed = await inSteps(backend, letters, { io, how: "replay", total });
      if (values.json) await writeJson(io, { key, group, replayed });
      else await io.stdout.write(`Replayed ${replayed} of ${total} dead letters\n`);
      io.signal.throwIfAborted();
      return ids.length > 0 && replayed < total ? 1 : 0;
    });
  },
});
