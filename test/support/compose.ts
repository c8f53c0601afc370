import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';

const ROOT = join(__dirname, '../..');

/** A service of a compose file, as far as ours say. */
export interface Service {
  readonly image?: string;
  readonly build?: { readonly dockerfile: string };
  readonly extends?: { readonly file: string; readonly service: string };
  readonly user?: string;
  readonly entrypoint?: readonly string[];
  readonly environment?: Readonly<Record<string, string | number>>;
  readonly env_file?: readonly object[];
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly tmpfs?: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
  readonly network_mode?: string;
  readonly restart?: string;
  readonly init?: boolean;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly cap_add?: readonly string[];
  readonly security_opt?: readonly string[];
  readonly mem_limit?: string;
  readonly stop_grace_period?: string;
  readonly shm_size?: string;
}
export interface Compose {
  readonly include?: readonly string[];
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** A compose file of ours, with what it includes and extends. */
export function stackOf(file: string): Compose {
  const own = parse(readFileSync(join(ROOT, file), 'utf8')) as Compose;
  const included = (own.include ?? []).map(stackOf);
  const services = Object.entries(own.services).map(([name, service]) => {
    if (service.extends === undefined) return [name, service] as const;
    const base = stackOf(service.extends.file).services[service.extends.service]!;
    const environment = { ...base.environment, ...service.environment };
    const volumes = [...(base.volumes ?? []), ...(service.volumes ?? [])];
    return [name, { ...base, ...service, environment, volumes }] as const;
  });
  const merged: { services: Record<string, Service>; volumes: Record<string, unknown> } = { services: {}, volumes: {} };
  for (const stack of [...included, { services: Object.fromEntries(services), volumes: own.volumes }]) {
    Object.assign(merged.services, stack.services);
    Object.assign(merged.volumes, stack.volumes);
  }
  return merged;
}

/** `${NAME:-default}` and `$$` as compose reads them, with `dotEnv` as what `.env` says and nothing of ours in the environment. */
export function interpolated(value: string | number, dotEnv: Readonly<Record<string, string>> = {}): string {
  return String(value)
    .replace(/\$\{([A-Z0-9_]+):-([^}]*)\}/g, (_, name: string, otherwise: string) => dotEnv[name] || otherwise)
    .replaceAll('$$', '$');
}

/** The lines `NAME=value` of a file such as `.env`. */
export function dotEnvOf(file: string): Record<string, string> {
  const lines = readFileSync(join(ROOT, file), 'utf8').matchAll(/^([A-Z][A-Z0-9_]*)=(.*)$/gm);
  return Object.fromEntries([...lines].map(([, name = '', value = '']) => [name, value]));
}
