import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import type { Compose, Service } from './compose';
import { interpolated } from './compose';
import { system } from './processes';

/** Runs of ours have limits of files and processes that need no right to raise them. */
const LIMITS = ['--ulimit', 'nofile=1024:4096', '--ulimit', 'nproc=4096:4096'];
const HEALTHY_WITHIN_MS = 180_000;
const LOOK_EVERY_MS = 1_000;

/** Why nothing can be run here; null when podman works and has these images. */
export function podmanProblem(images: readonly string[]): string | null {
  if (spawnSync('podman', ['info'], { stdio: 'ignore' }).status !== 0) return 'podman is not here, or does not work';
  const missing = images.filter((image) => spawnSync('podman', ['image', 'exists', image]).status !== 0);
  return missing.length === 0 ? null : `these images are not here: ${missing.join(', ')} (test/images/base-images.sh)`;
}

export function podman(...words: string[]): Promise<string> {
  return system('podman', words);
}

/**
 * A compose file's services on a network of their own, by podman alone. What podman-compose and docker compose do with the parts that
 * our files use, with names told by --add-host, so that no DNS plugin is needed.
 */
export class PodmanStack {
  private readonly network: string;
  private readonly subnet: string;
  private readonly services: readonly (readonly [string, Service])[];

  constructor(
    private readonly name: string,
    stack: Compose,
  ) {
    this.network = name;
    const [a = 0, b = 0] = createHash('sha256').update(name).digest();
    this.subnet = `10.${200 + (a % 40)}.${b}`;
    this.services = inOrder(stack);
  }

  addressOf(service: string): string {
    return `${this.subnet}.${this.services.findIndex(([name]) => name === service) + 10}`;
  }

  container(service: string): string {
    return `${this.name}_${service}`;
  }

  exec(service: string, ...words: string[]): Promise<string> {
    return podman('exec', this.container(service), ...words);
  }

  /** Starts all, each when those that it depends on are healthy or done. Rejects when one of them is neither. */
  async up(): Promise<void> {
    await podman('network', 'create', '--subnet', `${this.subnet}.0/24`, this.network);
    for (const [name, service] of this.services) {
      for (const [needed, { condition }] of Object.entries(service.depends_on ?? {}))
        await this.wait(needed, condition);
      await podman('run', '--detach', ...this.wordsFor(name, service));
    }
    for (const [name, { restart }] of this.services)
      await this.wait(name, restart === 'no' ? 'service_completed_successfully' : 'service_healthy');
  }

  /** Containers, volumes and network. */
  async down(): Promise<void> {
    const names = this.services.map(([name]) => this.container(name));
    await podman('rm', '--force', '--ignore', '--time', '20', '--volumes', ...names.reverse());
    const volumes = this.services.flatMap(([, { volumes: used = [] }]) => used.map((volume) => this.volume(volume)));
    await podman('volume', 'rm', '--force', ...new Set(volumes.map((volume) => volume.split(':')[0] ?? '')));
    await podman('network', 'rm', '--force', this.network);
  }

  private async wait(name: string, condition: string): Promise<void> {
    const container = this.container(name);
    if (condition === 'service_completed_successfully') {
      const code = (await podman('wait', container)).trim();
      if (code !== '0') throw new Error(`${name} ended with ${code}: ${await podman('logs', container)}`);
      return;
    }
    await this.untilHealthy(name);
  }

  /** By its HEALTHCHECK. */
  async untilHealthy(name: string): Promise<void> {
    const container = this.container(name);
    const deadline = Date.now() + HEALTHY_WITHIN_MS;
    while (spawnSync('podman', ['healthcheck', 'run', container]).status !== 0) {
      const isOver = (await podman('inspect', '--format={{.State.Running}}', container)).trim() === 'false';
      if (isOver || Date.now() > deadline)
        throw new Error(`${name} is not healthy: ${await podman('logs', container)}`);
      await new Promise((done) => setTimeout(done, LOOK_EVERY_MS));
    }
  }

  private volume(text: string): string {
    return `${this.name}_${text}`;
  }

  private wordsFor(name: string, service: Service): string[] {
    const hosts = this.services.map(([host]) => `--add-host=${host}:${this.addressOf(host)}`);
    const network = service.network_mode === 'none' ? ['none'] : [this.network, '--ip', this.addressOf(name), ...hosts];
    const [program, ...rest] = service.entrypoint ?? [];
    const each = (flag: string, values: readonly string[] = []): string[] => values.map((value) => `${flag}=${value}`);
    return [
      `--name=${this.container(name)}`,
      ...LIMITS,
      '--network',
      ...network,
      ...each(
        '--volume',
        service.volumes?.map((volume) => this.volume(volume)),
      ),
      ...each(
        '--env',
        Object.entries(service.environment ?? {}).map(([key, value]) => `${key}=${interpolated(value)}`),
      ),
      ...each('--tmpfs', service.tmpfs),
      ...each('--cap-drop', service.cap_drop),
      ...each(
        '--security-opt',
        service.security_opt?.map((option) => option.replace(':true', '')),
      ),
      ...each('--memory', service.mem_limit === undefined ? [] : [service.mem_limit]),
      ...each('--shm-size', service.shm_size === undefined ? [] : [service.shm_size]),
      ...each('--user', service.user === undefined ? [] : [service.user]),
      // As docker does it, which brings no writable /run and /var/tmp.
      ...(service.read_only === true ? ['--read-only', '--read-only-tmpfs=false'] : []),
      ...(service.init === true ? ['--init'] : []),
      ...(service.healthcheck === undefined ? [] : [`--health-cmd=${service.healthcheck.test.slice(1).join(' ')}`]),
      ...(program === undefined ? [] : [`--entrypoint=${program}`]),
      service.image ?? '',
      ...rest.map((word) => interpolated(word)),
    ];
  }
}

/** Each after those that it depends on. */
function inOrder({ services }: Compose): (readonly [string, Service])[] {
  const ordered = new Map<string, Service>();
  const add = (name: string): void => {
    for (const needed of Object.keys(services[name]?.depends_on ?? {})) add(needed);
    ordered.set(name, services[name]!);
  };
  for (const name of Object.keys(services)) add(name);
  return [...ordered];
}
