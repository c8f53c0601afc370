// Reads from the sources what the API document needs and the running server cannot know: the types of bodies, queries and answers
// (interfaces leave nothing in the built code), with what the validators of their properties demand, and the words above them.
// Writes apps/server/src/api-docs/api-types.generated.json. When nothing that it reads has changed, it does not read it again.
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CONTROLLER = /\.controller\.ts$/;
const TARGET = 'apps/server/src/api-docs/api-types.generated.json';

/** @param root the project's folder, with a slash at its end */
export async function writeApiTypes(root) {
  const controllers = filesBelow(root, 'apps/server/src').filter((file) => CONTROLLER.test(file));
  const shapes = filesBelow(root, 'libs/common/src').filter((file) => !file.endsWith('.spec.ts'));
  const hash = createHash('sha256');
  for (const file of ['scripts/api-types.mjs', ...controllers, ...shapes])
    hash.update(file).update(readFileSync(join(root, file)));
  const source = hash.digest('hex');
  const target = join(root, TARGET);
  if (existsSync(target) && JSON.parse(readFileSync(target, 'utf8')).source === source) return;
  // Loaded only when it is needed: it takes longer than the rest of a build.
  const { default: ts } = await import('typescript');
  writeFileSync(target, `${JSON.stringify({ source, ...readTypes(ts, root, controllers) })}\n`);
}

function filesBelow(root, folder) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name))
    .sort();
}

function readTypes(ts, root, controllers) {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.parseJsonConfigFileContent({ ...config, include: [], files: controllers }, ts.sys, root);
  const program = ts.createProgram(
    controllers.map((file) => join(root, file)),
    options,
  );
  const schemas = new SchemaWriter(ts, program.getTypeChecker());
  const routes = {};
  for (const file of controllers) {
    for (const node of program.getSourceFile(join(root, file)).statements) {
      if (!ts.isClassDeclaration(node) || node.name === undefined) continue;
      for (const member of node.members) {
        if (ts.isMethodDeclaration(member) && isRoute(ts, member))
          routes[`${node.name.text}.${member.name.getText()}`] = schemas.route(member);
      }
    }
  }
  return { routes, schemas: schemas.named };
}

function isRoute(ts, method) {
  return (ts.getDecorators(method) ?? []).some(({ expression }) =>
    /^(Get|Post|Put|Patch|Delete)$/.test(expression.expression?.getText()),
  );
}

/** TypeScript's types as JSON Schema (of OpenAPI 3.1). Types with a name of ours become `named` schemas. */
class SchemaWriter {
  named = {};

  constructor(ts, checker) {
    this.ts = ts;
    this.checker = checker;
  }

  route(method) {
    const { ts, checker } = this;
    const signature = checker.getSignatureFromDeclaration(method);
    const answer = checker.getAwaitedType(checker.getReturnTypeOfSignature(signature));
    const route = { description: this.wordsOf(checker.getSymbolAtLocation(method.name)) };
    if ((answer.flags & (ts.TypeFlags.Void | ts.TypeFlags.Undefined)) === 0) route.answer = this.schemaOf(answer);
    for (const parameter of method.parameters) {
      for (const decorator of ts.getDecorators(parameter) ?? []) {
        const kind = { Body: 'body', Query: 'query' }[decorator.expression.expression?.getText()];
        if (kind !== undefined) route[kind] = this.schemaOf(checker.getTypeAtLocation(parameter));
      }
    }
    return route;
  }

  schemaOf(type) {
    const { ts, checker } = this;
    const is = (flag) => (type.flags & flag) !== 0;
    if (type.isUnion()) return this.unionOf(type);
    if (type.isStringLiteral() || type.isNumberLiteral()) return { const: type.value };
    if (is(ts.TypeFlags.BooleanLiteral)) return { const: checker.typeToString(type) === 'true' };
    if (is(ts.TypeFlags.String | ts.TypeFlags.TemplateLiteral)) return { type: 'string' };
    if (is(ts.TypeFlags.Number)) return { type: 'number' };
    if (is(ts.TypeFlags.Boolean)) return { type: 'boolean' };
    if (is(ts.TypeFlags.Null)) return { type: 'null' };
    if (checker.isArrayType(type) || checker.isTupleType(type)) {
      const [item] = checker.getTypeArguments(type);
      return { type: 'array', items: item === undefined ? {} : this.schemaOf(item) };
    }
    if (!is(ts.TypeFlags.Object | ts.TypeFlags.Intersection)) return {};
    return this.objectOf(type);
  }

  unionOf(type) {
    const { ts } = this;
    const name = this.nameOf(type.aliasSymbol);
    const parts = type.types.filter((part) => (part.flags & ts.TypeFlags.Undefined) === 0);
    const write = () => {
      const isEnum = parts.every((part) => part.isStringLiteral() || part.isNumberLiteral());
      if (isEnum && parts.length > 0) return { enum: parts.map((part) => part.value) };
      const isFlag = parts.every((part) => (part.flags & ts.TypeFlags.BooleanLiteral) !== 0);
      if (isFlag && parts.length === 2) return { type: 'boolean' };
      const flags = parts.filter((part) => (part.flags & ts.TypeFlags.BooleanLiteral) !== 0);
      const rest = parts.filter((part) => !flags.includes(part));
      const literals = rest.filter((part) => part.isStringLiteral());
      const others = rest.filter((part) => !literals.includes(part)).map((part) => this.schemaOf(part));
      if (flags.length === 2) others.unshift({ type: 'boolean' });
      else others.unshift(...flags.map((part) => this.schemaOf(part)));
      if (literals.length > 0) others.unshift({ enum: literals.map((part) => part.value) });
      return others.length === 1 ? others[0] : { anyOf: others };
    };
    return name === null ? write() : this.reference(name, write);
  }

  objectOf(type) {
    const { checker } = this;
    const name = this.nameOf(type.aliasSymbol ?? type.symbol);
    // `Omit<Known, ...>` and the like have the alias of the library, which is no name of ours.
    const isGeneric = (type.aliasTypeArguments ?? checker.getTypeArguments?.(type) ?? []).length > 0;
    const write = () => {
      const schema = { type: 'object' };
      const words = name === null ? '' : this.wordsOf(type.aliasSymbol ?? type.symbol);
      if (words !== '') schema.description = words;
      const properties = {};
      const required = [];
      for (const property of checker.getPropertiesOfType(type)) {
        properties[property.name] = this.propertyOf(property);
        if ((property.flags & this.ts.SymbolFlags.Optional) === 0) required.push(property.name);
      }
      const index = checker.getIndexInfosOfType(type)[0];
      if (index !== undefined) schema.additionalProperties = this.schemaOf(index.type);
      if (Object.keys(properties).length > 0) schema.properties = properties;
      if (required.length > 0) schema.required = required;
      return schema;
    };
    return name === null || isGeneric ? write() : this.reference(name, write);
  }

  propertyOf(symbol) {
    const schema = { ...this.schemaOf(this.checker.getTypeOfSymbol(symbol)) };
    const words = this.wordsOf(symbol);
    if (words !== '') schema.description = words;
    for (const declaration of symbol.declarations ?? []) this.demands(declaration, schema);
    return schema;
  }

  /** What class-validator's decorators demand, where their arguments can be read. */
  demands(declaration, schema) {
    const { ts, checker } = this;
    if (!ts.canHaveDecorators(declaration)) return;
    for (const { expression } of ts.getDecorators(declaration) ?? []) {
      if (!ts.isCallExpression(expression)) continue;
      const [first, second] = expression.arguments.map((argument) => {
        const type = checker.getTypeAtLocation(argument);
        return type.isNumberLiteral() ? type.value : undefined;
      });
      const isOfItems = /\beach: true/.test(expression.getText());
      const target = isOfItems && typeof schema.items === 'object' ? (schema.items = { ...schema.items }) : schema;
      const rules = {
        IsInt: { type: 'integer' },
        IsUUID: { format: 'uuid' },
        Min: { minimum: first },
        Max: { maximum: first },
        Length: { minLength: first, maxLength: second },
        MinLength: { minLength: first },
        MaxLength: { maxLength: first },
        ArrayMinSize: { minItems: first },
        ArrayMaxSize: { maxItems: first },
      }[expression.expression.getText()];
      for (const [rule, value] of Object.entries(rules ?? {})) if (value !== undefined) target[rule] = value;
    }
  }

  reference(name, write) {
    if (!(name in this.named)) {
      // Before it is written: a type may name itself.
      this.named[name] = {};
      this.named[name] = write();
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  /** Null for what has no name, and for names of libraries. */
  nameOf(symbol) {
    const declaration = symbol?.declarations?.[0];
    if (symbol === undefined || declaration === undefined || symbol.name.startsWith('__')) return null;
    return declaration.getSourceFile().fileName.includes('/node_modules/') ? null : symbol.name;
  }

  wordsOf(symbol) {
    const parts = symbol?.getDocumentationComment(this.checker) ?? [];
    return this.ts
      .displayPartsToString(parts)
      .replace(/\{@link ([^}]*)\}/g, '$1')
      .replace(/\s*\n\s*/g, ' ');
  }
}
