export function writeApiTypes(root: string): Promise<void>;
