import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import Handlebars from 'handlebars';

export type PageName = 'unlock' | 'enrol' | 'status' | 'message';

/** The page's templates. Everything that a view holds is escaped. */
export class Templates {
  private readonly handlebars = Handlebars.create();
  private readonly compiled = new Map<PageName, Handlebars.TemplateDelegate>();
  readonly style: string = read('style.css');

  constructor() {
    this.handlebars.registerPartial('layout', read('views/layout.hbs'));
  }

  render(name: PageName, view: object): string {
    let template = this.compiled.get(name);
    if (template === undefined) {
      template = this.handlebars.compile(read(`views/${name}.hbs`));
      this.compiled.set(name, template);
    }
    return template(view);
  }
}

function read(file: string): string {
  return readFileSync(join(__dirname, file), 'utf8');
}
