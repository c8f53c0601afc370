import { createHash } from 'node:crypto';
import type { Schema } from './api-types';
import type { OpenApi, Operation } from './open-api';

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; }
details { border-top: 1px solid #8884; padding: .4rem 0; scroll-margin-top: 1rem; }
summary { cursor: pointer; }
code, pre { font: .875rem/1.4 ui-monospace, monospace; overflow-wrap: anywhere; }
pre { background: #8881; overflow: auto; padding: .5rem; white-space: pre-wrap; }
table { border-collapse: collapse; width: 100%; }
td, th { border-top: 1px solid #8884; padding: .2rem .5rem .2rem 0; text-align: left; vertical-align: top; }
b { display: inline-block; min-width: 4.5rem; }
`;

/** The page has nothing but its own words and style: no script, nothing from elsewhere. */
export const DOCS_CSP = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
].join('; ');

/** The document as a page: operations by tag, then the named types that they refer to. */
export function docsPage({ paths, components, info }: OpenApi): string {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method: method.toUpperCase(), operation })),
  );
  const tags = [...Map.groupBy(operations, ({ operation }) => operation.tags[0] ?? '')];
  const { version, description } = info as { version: string; description: string };
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Holdfast API</title>
<style>${STYLE}</style>
</head>
<body>
<h1>Holdfast API ${escaped(version)}</h1>
<p>${escaped(description)} For programs: <a href="openapi.json">openapi.json</a> (OpenAPI 3.1).</p>
<nav>${tags.map(([tag]) => `<a href="#tag-${escaped(tag)}">${escaped(tag)}</a>`).join(' · ')} · <a href="#types">types</a></nav>
${tags.map(([tag, of]) => `<h2 id="tag-${escaped(tag)}">${escaped(tag)}</h2>\n${of.map(operationPart).join('\n')}`).join('\n')}
<h2 id="types">types</h2>
${Object.entries(components.schemas).map(typePart).join('\n')}
</body>
</html>
`;
}

function operationPart({ path, method, operation }: { path: string; method: string; operation: Operation }): string {
  const { parameters, requestBody, responses, description } = operation;
  const rows = parameters.map(
    ({ name, in: place, required, schema, description: words }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${place}${required ? ', needed' : ''}</td><td>${schemaPart(schema)} ${escaped(words ?? '')}</td></tr>`,
  );
  const answers = Object.entries(responses).map(([status, answer]) => {
    const content = Object.entries(answer.content ?? {}).map(
      ([type, { schema }]) => `${escaped(type)} ${schemaPart(schema)}`,
    );
    const { description: words } = answer as { description?: string };
    return `<tr><td>${escaped(status)}</td><td>${escaped(words ?? '')}</td><td>${content.join('<br>')}</td></tr>`;
  });
  const body = (requestBody as { content: Record<string, { schema: Schema }> } | undefined)?.content ?? {};
  return `<details><summary><b>${method}</b> <code>${escaped(path)}</code></summary>
<p>${escaped(description)}</p>
${rows.length === 0 ? '' : `<h3>Parameters</h3><table>${rows.join('')}</table>`}
${Object.entries(body)
  .map(([type, { schema }]) => `<h3>Body</h3><p>${escaped(type)} ${schemaPart(schema)}</p>`)
  .join('')}
<h3>Answers</h3><table>${answers.join('')}</table>
</details>`;
}

function typePart([name, schema]: [string, Schema]): string {
  return `<details id="type-${escaped(name)}"><summary><code>${escaped(name)}</code></summary>${schemaPart(schema)}</details>`;
}

/** References become links; a longer schema is shown as it is. */
function schemaPart(schema: Schema): string {
  const text = Object.keys(schema).length > 1 ? JSON.stringify(schema, null, 1) : JSON.stringify(schema);
  const linked = escaped(text).replace(
    /\{\s*&quot;\$ref&quot;: ?&quot;#\/components\/schemas\/(\w+)&quot;\s*\}/g,
    '<a href="#type-$1">$1</a>',
  );
  return text.includes('\n') ? `<pre>${linked}</pre>` : `<code>${linked}</code>`;
}

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;');
}
