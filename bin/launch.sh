# Sourced by the launchers beside it, which set `app` (below dist/) and `self` (their own path, links resolved):
# finds Node 24 or newer and runs the app with it, from any directory.
root=${self%/bin/*}
if [ ! -f "$root/dist/$app" ]; then
  echo "holdfast: $root/dist/$app is missing. Build it first: (cd '$root' && npm ci && npm run build)" >&2
  exit 1
fi
# The runtime that `npm ci` installed comes first; then a system Node that is new enough.
for node in "$root/node_modules/.bin/node" "$(command -v node 2>/dev/null)"; do
  [ -x "$node" ] || continue
  major=$("$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null) || continue
  if [ "$major" -ge 24 ] 2>/dev/null; then
    # No fork: signals and the exit code are the app's own.
    exec "$node" "$root/dist/$app" "$@"
  fi
done
echo "holdfast: needs Node 24 or newer. Run 'npm ci' in $root (it brings one), or install Node 24." >&2
exit 1
