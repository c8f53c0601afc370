# Sourced by the launchers beside it, which set `app` (below dist/), `flags` (for Node) and `self` (their own path, links resolved):
# finds Node 24 or newer and runs the app with it, from any directory.
root=${self%/bin/*}
if [ ! -f "$root/dist/$app" ]; then
  echo "holdfast: $root/dist/$app is missing. Build it first: (cd '$root' && npm ci && npm run build)" >&2
  exit 1
fi
# The runtime that `npm ci` installed (package.json says which) comes first; then a system Node that is new enough.
# Node gives signals their defaults back: that this is to outlive its terminal (nohup ignores signal 1) is told by a variable.
case $(grep '^SigIgn:' /proc/self/status 2>/dev/null) in *[13579bdf]) export HOLDFAST_HANGUP_IGNORED=1 ;; esac
# exec, no fork: signals and the exit code are the app's own. No flag is an empty word, hence no quotes.
node=$root/node_modules/.bin/node
[ -x "$node" ] && exec "$node" $flags "$root/dist/$app" "$@"
node=$(command -v node 2>/dev/null)
major=$([ -n "$node" ] && "$node" -p 'process.versions.node.split(".")[0]' 2>/dev/null)
[ "${major:-0}" -ge 24 ] 2>/dev/null && exec "$node" $flags "$root/dist/$app" "$@"
echo "holdfast: needs Node 24 or newer. Run 'npm ci' in $root (it brings one), or install Node 24." >&2
exit 1
