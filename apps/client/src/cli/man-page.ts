import { type Command } from 'commander';
import { type Section } from './epilogue';
import { type CommandShape, commandShapes, shapeOf } from './command-shape';

export interface ManPage {
  readonly version: string;
  /** Sections that help shows after the options: title and lines. */
  readonly sections: readonly Section[];
}

/** The manual page (man(7) macros), from what help is printed from: `holdfast man | man -l -` shows it. */
export function manPage(program: Command, { version, sections }: ManPage): string {
  const { name, description, options } = shapeOf(program);
  const [summary = '', ...details] = description.split(/: (.*)/s).filter((part) => part !== '');
  return [
    `.TH ${name.toUpperCase()} 1 "" ${quoted(`${name} ${version}`)} "User Commands"`,
    '.SH NAME',
    `${text(name)} \\- ${text((details[0] ?? summary).replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    `.B ${text(name)}`,
    '.I command',
    '[\\fIoptions\\fR] [\\fIarguments\\fR]',
    '.SH DESCRIPTION',
    text(description),
    '.SH OPTIONS',
    ...options.flatMap(optionLines),
    '.SH COMMANDS',
    ...commandShapes(program).flatMap((command) => commandLines(name, command)),
    ...sections.flatMap(({ title, lines }) => [`.SH ${text(title.toUpperCase())}`, ...lines.flatMap(paragraph)]),
    '',
  ].join('\n');
}

function commandLines(program: string, command: CommandShape): string[] {
  return [
    `.SS ${quoted(`${program} ${command.name} ${command.usage}`)}`,
    `${text(upperFirst(command.description))}.`,
    ...command.arguments
      .filter(({ description }) => description !== '')
      .flatMap(({ name, description }) => ['.TP', `.I ${text(name)}`, text(description)]),
    ...command.options.flatMap(optionLines),
  ];
}

function optionLines({ flags, description }: { flags: string; description: string }): string[] {
  return ['.TP', `.B ${text(flags)}`, text(description)];
}

function paragraph(line: string): string[] {
  return ['.PP', text(line)];
}

/** Nothing in it is a macro or an escape, and its dashes are those that can be typed. */
function text(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/gm, '\\&$1');
}

function quoted(plain: string): string {
  return `"${text(plain).replaceAll('"', '\\(dq')}"`;
}

function upperFirst(plain: string): string {
  return plain.charAt(0).toUpperCase() + plain.slice(1);
}
