import { tmpdir } from 'node:os';
import { MemoryStorage } from './memory.storage';
import { describeStorageContract } from './storage.contract';

describeStorageContract('memory', () =>
  Promise.resolve({ storage: new MemoryStorage(tmpdir()), close: () => Promise.resolve() }),
);
