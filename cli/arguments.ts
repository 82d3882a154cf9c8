/**
 * Options and arguments of a command line, checked: what is unknown is refused with the nearest name.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { nearest } from "../core/util/nearest.ts";

/** One option. */
export interface Option {
  /** Whether it takes a value. */
  readonly type: "string" | "boolean";
  /** A letter that stands for it. */
  readonly short?: string | undefined;
  /** True where it may be given several times. */
  readonly multiple?: boolean | undefined;
  /** The value's name in the help, such as `"file"`. */
  readonly value?: string | undefined;
  /** One line of help. */
  readonly help: string;
}

/** Options by their long names. */
export type Options = Readonly<Record<string, Option>>;

/** The values of options: `false` and `undefined` where they are not given. */
export type Values<Table extends Options> = {
  readonly [Name in keyof Table]: Table[Name]["type"] extends "boolean" ? boolean
    : Table[Name] extends { readonly multiple: true } ? readonly string[]
    : string | undefined;
};

/** A command line that is wrong: the exit code is 2. */
export class UsageError extends Error {
  /** The name of the class. */
  override readonly name = "UsageError";
}

/**
 * Reads a command line.
 *
 * @returns The values, and the arguments that are no options.
 * @throws {UsageError} An option that is not known, lacks its value, has one too many, or is given twice.
 */
export function parseArguments<const Table extends Options>(
  args: readonly string[],
  table: Table,
): { readonly values: Values<Table>; readonly positionals: readonly string[] } {
  const config = Object.fromEntries(
    Object.entries(table).map(([name, { type, short, multiple = false }]) => [
      name,
      { type, multiple, ...short === undefined ? {} : { short } },
    ]),
  );
  const { tokens } = parseArgs({ args: [...args], options: config, strict: false, tokens: true });
  const values: Record<string, boolean | string | string[] | undefined> = {};
  for (const [name, { type, multiple }] of Object.entries(table)) {
    values[name] = type === "boolean" ? false : multiple ? [] : undefined;
  }
  const positionals: string[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") positionals.push(token.value);
    if (token.kind !== "option") continue;
    const { name, rawName, value, inlineValue } = token;
    const option = Object.hasOwn(table, name) ? table[name]! : undefined;
    if (option === undefined) throw unknownOption(rawName, table);
    if (option.type === "boolean") {
      if (value !== undefined) throw new UsageError(`${rawName} takes no value`);
      values[name] = true;
      continue;
    }
    if (value === undefined || value === "" || !inlineValue && value.startsWith("-") && value !== "-") {
      throw new UsageError(`${rawName} needs a value: ${rawName} <${option.value ?? name}>`);
    }
    if (option.multiple) (values[name] as string[]).push(value);
    else if (values[name] !== undefined) throw new UsageError(`${rawName} may be given once`);
    else values[name] = value;
  }
  return { values: values as Values<Table>, positionals };
}

function unknownOption(rawName: string, table: Options): UsageError {
  return new UsageError(
    `Unknown option ${rawName}${didYouMean(rawName, Object.keys(table).map((name) => `--${name}`))}`,
  );
}

/** Returns a question with the nearest of the names, or nothing where none is near. */
export function didYouMean(name: string, known: Iterable<string>): string {
  const names = [...known];
  const length = name.replace(/^-+/, "").length; // the dashes in front of an option are no likeness
  const near = names.find((one) => length > 2 && one.startsWith(name)) ??
    nearest(name.slice(0, 64), names, () => Math.max(length > 3 ? 2 : 1, Math.floor(length / 3)));
  return near === undefined ? "" : `: did you mean ${near}?`;
}

/**
 * Reads an option that is a number.
 *
 * @throws {UsageError} Not a number within the bounds.
 */
export function numberOption(
  name: string,
  value: string | undefined,
  { min = 0, max = Infinity, whole = true }: { min?: number; max?: number; whole?: boolean } = {},
): number | undefined {
  if (value === undefined) return undefined;
  const number = value.trim() === "" ? NaN : Number(value);
  if ((whole ? Number.isSafeInteger(number) : Number.isFinite(number)) && number >= min && number <= max) return number;
  const bounds = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new UsageError(`--${name} must be a ${whole ? "whole " : ""}number ${bounds}, found ${JSON.stringify(value)}`);
}
