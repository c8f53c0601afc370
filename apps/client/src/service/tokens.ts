import type { Environment } from '../config/setting-reader';
import type { Machine, ServiceSettings } from '../config/service-settings';

/** Of what Nest injects that is no class. */
export const SETTINGS = Symbol('settings of the service');
export const MACHINE = Symbol('this machine');
export const ENVIRONMENT = Symbol('environment that commands may see a part of');

export type { Environment, Machine, ServiceSettings };
