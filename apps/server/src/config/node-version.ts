const MIN_NODE_MAJOR = 24;

/** What is wrong with this Node, or null. Imports nothing: it must run where nothing else does. */
export function nodeVersionProblem(version: string): string | null {
  const major = Number.parseInt(version, 10);
  if (major >= MIN_NODE_MAJOR) return null;
  return `Holdfast needs Node ${MIN_NODE_MAJOR} or newer, and this is Node ${version}. Start it with bin/holdfast-server, which uses the Node that "npm ci" installed.`;
}
