import { rareWord, word } from './words.mjs';

const LICENSE = `Copyright (c) the authors. Permission is hereby granted, free of charge, to any person obtaining a copy of this
software and associated documentation files, to deal in the software without restriction, including without limitation
the rights to use, copy, modify, merge, publish, distribute, sublicense and sell copies of it, and to permit persons to
whom it is furnished to do so. The software is provided as is, without warranty of any kind.
`;
const LEVELS = ['DEBUG', 'INFO', 'INFO', 'INFO', 'INFO', 'WARN', 'ERROR'];
const TYPES = ['string', 'number', 'boolean', 'Buffer', 'Date', 'void', 'unknown'];

const capital = (text) => text[0].toUpperCase() + text.slice(1);
const digits = (number, length) => String(number).padStart(length, '0');

/** A moment of 2026 as databases and logs write it. */
export function timestamp(random) {
  const date = `2026-${digits(1 + random.below(12), 2)}-${digits(1 + random.below(28), 2)}`;
  return `${date} ${digits(random.below(24), 2)}:${digits(random.below(60), 2)}:${digits(random.below(60), 2)}`;
}

export function sentence(random) {
  const count = 4 + random.below(14);
  let text = capital(word(random));
  for (let n = 1; n < count; n += 1) text += (n % 7 === 6 ? ', ' : ' ') + word(random);
  return `${text}.`;
}

/** Each makes a text of at least so many characters; the caller cuts it. */
export const kinds = { prose, code, json, log, csv, config, mail };

function prose(random, length) {
  let text = `# ${capital(rareWord(random))} ${word(random)}\n\n`;
  while (text.length < length) {
    for (let n = 2 + random.below(5); n > 0; n -= 1) text += `${sentence(random)} `;
    text += random.happens(0.1) ? `\n\n## ${capital(rareWord(random))}\n\n` : '\n\n';
  }
  return text;
}

/** Source code: few identifiers used often, indentation, calls, comments; some files carry the licence. */
function code(random, length) {
  const identifiers = Array.from({ length: 14 }, () => rareWord(random) + capital(word(random)));
  const name = () => random.pick(identifiers);
  let text = random.happens(0.25) ? `/*\n${LICENSE}*/\n` : '';
  for (let n = 1 + random.below(7); n > 0; n -= 1)
    text += `import { ${name()}, ${name()} } from './${rareWord(random)}/${word(random)}';\n`;
  while (text.length < length) {
    text += `\n/** ${sentence(random)} */\nexport function ${name()}(${name()}: ${random.pick(TYPES)}, ${name()}: ${random.pick(TYPES)}): ${random.pick(TYPES)} {\n`;
    for (let n = 2 + random.below(12); n > 0; n -= 1) text += `  ${statement(random, name)}\n`;
    text += `  return ${name()}.${name()}(${random.below(1_000)});\n}\n`;
  }
  return text;
}

function statement(random, name) {
  switch (random.below(6)) {
    case 0:
      return `const ${name()} = await this.${name()}.${name()}(${name()}, '${word(random)} ${word(random)}');`;
    case 1:
      return `if (${name()} === null || ${name()}.length > ${random.below(4_096)}) throw new Error('${sentence(random)}');`;
    case 2:
      return `for (const ${name()} of ${name()}.${name()}()) ${name()}.push(${name()});`;
    case 3:
      return `// ${sentence(random)}`;
    case 4:
      return `${name()}[${random.below(64)}] = ${name()} ?? { ${name()}: ${name()}, ${name()}: 0x${random.hex(4)} };`;
    default:
      return `${name()}.${name()} = ${name()} + ${random.below(10_000)};`;
  }
}

function json(random, length) {
  const keys = Array.from({ length: 6 }, () => rareWord(random));
  let text = `{\n  "version": ${random.below(9)},\n  "items": [\n`;
  while (text.length < length) {
    text += `    {\n      "id": "${random.hex(16)}",\n      "createdAt": "${timestamp(random)}",\n`;
    for (const key of keys) text += `      "${key}": ${jsonValue(random)},\n`;
    text += `      "count": ${random.below(100_000)}\n    },\n`;
  }
  return text;
}

function jsonValue(random) {
  switch (random.below(4)) {
    case 0:
      return random.happens(0.5) ? 'true' : 'null';
    case 1:
      return String(random.below(1_000_000) / 100);
    case 2:
      return `"${word(random)}"`;
    default:
      return `"${word(random)} ${word(random)} ${rareWord(random)}"`;
  }
}

function log(random, length) {
  const sources = Array.from({ length: 8 }, () => `${rareWord(random)}.${word(random)}`);
  const messages = Array.from({ length: 12 }, () => sentence(random));
  let text = '';
  while (text.length < length)
    text += `${timestamp(random)}.${digits(random.below(1_000), 3)} ${random.pick(LEVELS)} [${random.pick(sources)}] ${random.pick(messages)} id=${random.hex(12)} took ${random.below(5_000)} ms\n`;
  return text;
}

function csv(random, length) {
  let text = `id;time;${rareWord(random)};${rareWord(random)};${rareWord(random)}\n`;
  let id = random.below(1_000_000);
  while (text.length < length) {
    id += 1 + random.below(3);
    text += `${id};${timestamp(random)};${random.below(100_000) / 100};${word(random)};${word(random)} ${word(random)}\n`;
  }
  return text;
}

function config(random, length) {
  let text = '';
  while (text.length < length) {
    text += `[${rareWord(random)}]\n`;
    for (let n = 3 + random.below(8); n > 0; n -= 1)
      text += `${rareWord(random)}_${word(random)} = ${jsonValue(random)}\n`;
    text += `# ${sentence(random)}\n\n`;
  }
  return text;
}

function mail(random, length) {
  const address = () => `${word(random)}.${rareWord(random)}@${word(random)}.example.org`;
  let text = `Return-Path: <${address()}>\nReceived: from mx${random.below(9)}.example.org by mail.example.org (Postfix) with ESMTPS id ${random.hex(10).toUpperCase()}\n\tfor <${address()}>; ${timestamp(random)} +0000 (UTC)\nMessage-ID: <${random.hex(24)}@example.org>\nFrom: ${address()}\nTo: ${address()}\nSubject: ${sentence(random)}\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\n\n`;
  while (text.length < length) {
    for (let n = 2 + random.below(4); n > 0; n -= 1) text += `${sentence(random)}\n`;
    text += '\n';
  }
  return text;
}
