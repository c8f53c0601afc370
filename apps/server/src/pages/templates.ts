import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Handlebars from 'handlebars';
import { seenText } from './seen-text';

const FOLDER = join(__dirname, '..', 'views');
const ENDING = '.hbs';

/**
 * The views: pages are found by their path below views/pages, partials and layouts by their file's name. Everything is escaped, and what nobody
 * would see is named (see `seenText`), but for `{{asis text}}`: what a form sends back must be what it was.
 */
export class Templates {
  private readonly handlebars = Handlebars.create();
  private readonly compiled = new Map<string, Handlebars.TemplateDelegate>();

  constructor() {
    this.handlebars.registerHelper({ [SEEN]: seen, [AS_IS]: (value: unknown) => value });
    for (const folder of ['layouts', 'partials']) {
      for (const [name, text] of textsIn(join(FOLDER, folder)))
        this.handlebars.registerPartial(name, this.compile(text));
    }
    for (const [name, text] of textsIn(join(FOLDER, 'pages'))) {
      this.compiled.set(name, this.compile(text));
    }
  }

  render(page: string, view: object): string {
    const template = this.compiled.get(page);
    if (template === undefined) throw new Error(`there is no view ${page}`);
    return template(view);
  }

  private compile(text: string): Handlebars.TemplateDelegate {
    const program = Handlebars.parse(text);
    new Seeing().accept(program);
    return this.handlebars.compile(program);
  }
}

const SEEN = 'seen';
const AS_IS = 'asis';

/** Puts the helper around every `{{name}}`. One with words behind it, `{{asis name}}`, is a helper's already. */
class Seeing extends Handlebars.Visitor {
  override MustacheStatement(mustache: hbs.AST.MustacheStatement): void {
    if (mustache.params.length > 0) return;
    mustache.params = [mustache.path];
    mustache.path = {
      type: 'PathExpression',
      data: false,
      depth: 0,
      parts: [SEEN],
      original: SEEN,
      loc: mustache.loc,
    };
  }
}

function seen(value: unknown): unknown {
  return typeof value === 'string' ? seenText(value) : value;
}

function textsIn(folder: string): [name: string, text: string][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ENDING))
    .map((file) => [file.slice(0, -ENDING.length), readFileSync(join(folder, file), 'utf8')]);
}
