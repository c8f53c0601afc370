import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import Handlebars from 'handlebars';

const FOLDER = join(__dirname, '..', 'views');
const ENDING = '.hbs';

/** The views: pages are found by their path below views/pages, partials and layouts by their file's name. Everything is escaped. */
export class Templates {
  private readonly handlebars = Handlebars.create();
  private readonly compiled = new Map<string, Handlebars.TemplateDelegate>();

  constructor() {
    for (const folder of ['layouts', 'partials']) {
      for (const [name, text] of textsIn(join(FOLDER, folder))) this.handlebars.registerPartial(name, text);
    }
    for (const [name, text] of textsIn(join(FOLDER, 'pages'))) {
      this.compiled.set(name, this.handlebars.compile(text));
    }
  }

  render(page: string, view: object): string {
    const template = this.compiled.get(page);
    if (template === undefined) throw new Error(`there is no view ${page}`);
    return template(view);
  }
}

function textsIn(folder: string): [name: string, text: string][] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(ENDING))
    .map((file) => [file.slice(0, -ENDING.length), readFileSync(join(folder, file), 'utf8')]);
}
