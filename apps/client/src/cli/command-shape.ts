import { type Argument, type Command, type Option } from 'commander';

/** What can be completed: nothing, a file or folder, the name of a snapshot or run, or one of a few words. */
export type Completion = 'nothing' | 'path' | 'snapshot' | readonly string[];

export interface OptionShape {
  /** As help shows it: `--target <dir>`. */
  readonly flags: string;
  /** `--target`, and `-V` where there is a short form. */
  readonly names: readonly string[];
  readonly description: string;
  /** Null: it takes no value. */
  readonly value: Completion | null;
}

interface ArgumentShape {
  readonly name: string;
  readonly description: string;
  readonly isVariadic: boolean;
  readonly completion: Completion;
}

export interface CommandShape {
  readonly name: string;
  readonly description: string;
  /** `[options] <snapshot>` */
  readonly usage: string;
  readonly options: readonly OptionShape[];
  readonly arguments: readonly ArgumentShape[];
}

/** The command line as data, from the very objects that its help is printed from; its commands in the same order. */
export function shapeOf(command: Command): CommandShape {
  const help = command.createHelp();
  return {
    name: command.name(),
    description: command.description(),
    usage: command.usage(),
    options: help.visibleOptions(command).map(optionShape),
    arguments: command.registeredArguments.map(argumentShape),
  };
}

export function commandShapes(program: Command): CommandShape[] {
  return program.commands.map(shapeOf);
}

const PATH_VALUES = ['dir', 'file', 'path'];

function optionShape(option: Option): OptionShape {
  const { flags, description, argChoices } = option;
  const valueName = /[<[]([^>\]]+)[>\]]/.exec(flags)?.[1];
  const names = [option.short, option.long].filter((name) => name !== undefined);
  const value = valueName === undefined ? null : (argChoices ?? completionOf(valueName));
  return { flags, names, description, value };
}

function argumentShape(argument: Argument): ArgumentShape {
  const name = argument.name();
  const { description, variadic, argChoices } = argument;
  return { name, description, isVariadic: variadic, completion: argChoices ?? completionOf(name) };
}

function completionOf(name: string): Completion {
  if (PATH_VALUES.includes(name)) return 'path';
  return /^(snapshot|run)/.test(name) ? 'snapshot' : 'nothing';
}
