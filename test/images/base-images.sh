#!/bin/bash
# For a trial of the images where no registry can be reached: makes stand-ins for the base images of the Dockerfiles and compose files, under
# their own tags, from Debian's mirror, npm and the Go module proxy. The product never needs this. Then: npm run jest -- test/images.spec.ts
#   apt-get install -y podman buildah debootstrap golang    # or any newer Go
#   test/images/base-images.sh                              # as root, in a checkout with node_modules
# What it cannot make it names, and goes on; images that are there already stay as they are.
set -euo pipefail
cd "$(dirname "$0")/../.."
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
versitygw=$(sed -n 's|.*ghcr.io/versity/versitygw:\(v[0-9.]*\)$|\1|p' docker-compose.server.yml)
postgres=$(sed -n 's|.*image: \(postgres:.*\)$|\1|p' docker-compose.server.yml)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() { ! podman image exists "$1"; }
named() { printf '== %s\n' "$1"; }

# Debian trixie, small.
if missing localhost/holdfast-trial-debian; then
  named 'Debian trixie'
  debootstrap --variant=minbase trixie "$work/root" "$mirror" >"$work/log" || { tail "$work/log"; exit 1; }
  rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/* "$work"/root/usr/share/{doc,man,locale}/*
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$work/root" / >/dev/null
  buildah config --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm "$container" localhost/holdfast-trial-debian >/dev/null
  rm -rf "$work/root"
fi

node=docker.io/library/node:24-trixie-slim
if missing $node; then
  named $node
  container=$(buildah from localhost/holdfast-trial-debian)
  buildah run "$container" -- useradd --uid 1000 --user-group --create-home --shell /bin/bash node
  buildah copy --quiet "$container" "$(readlink -f node_modules/node/bin/node)" /usr/local/bin/node >/dev/null
  npm install --silent --no-fund --no-audit --prefix "$work/npm" npm@11
  buildah copy --quiet "$container" "$work/npm/node_modules/npm" /usr/local/lib/node_modules/npm >/dev/null
  buildah run "$container" -- ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
  buildah run "$container" -- ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx
  # A registry that is reached through a proxy with an authority of its own is trusted inside as it is here.
  buildah copy --quiet "$container" /etc/ssl/certs/ca-certificates.crt /usr/local/share/trial-authorities.pem >/dev/null
  buildah config --cmd node --env NODE_EXTRA_CA_CERTS=/usr/local/share/trial-authorities.pem "$container"
  buildah commit --quiet --rm "$container" $node >/dev/null
fi

if missing "docker.io/library/$postgres"; then
  named "docker.io/library/$postgres"
  container=$(buildah from localhost/holdfast-trial-debian)
  # The account has this number in the official image.
  buildah run "$container" -- useradd --system --uid 999 --user-group --home-dir /var/lib/postgresql postgres
  buildah run --network host "$container" -- sh -ec 'apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql-17 >/dev/null
    rm -rf /var/lib/apt/lists/* /var/lib/postgresql/17
    ln -s /usr/lib/postgresql/17/bin/* /usr/local/bin/ 2>/dev/null || true
    mkdir -p /var/lib/postgresql/data /run/postgresql
    chown -R postgres:postgres /var/lib/postgresql /run/postgresql'
  buildah copy --quiet --chmod 0755 "$container" test/images/postgres-entrypoint.sh /usr/local/bin/docker-entrypoint.sh >/dev/null
  buildah config --entrypoint '["docker-entrypoint.sh"]' --cmd postgres --env PGDATA=/var/lib/postgresql/data \
    --volume /var/lib/postgresql/data --stop-signal SIGINT "$container"
  buildah commit --quiet --rm "$container" "docker.io/library/$postgres" >/dev/null
fi

gateway=ghcr.io/versity/versitygw:$versitygw
if missing "$gateway"; then
  named "$gateway"
  if CGO_ENABLED=0 GOBIN="$work/bin" go install "github.com/versity/versitygw/cmd/versitygw@$versitygw"; then
    container=$(buildah from localhost/holdfast-trial-debian)
    # Alpine, which it is built on elsewhere, has nc of its own.
    buildah run --network host "$container" -- sh -ec 'apt-get update -qq
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends netcat-openbsd >/dev/null
      rm -rf /var/lib/apt/lists/*'
    buildah copy --quiet "$container" "$work/bin/versitygw" /usr/local/bin/versitygw >/dev/null
    buildah config --entrypoint '["versitygw"]' "$container"
    buildah commit --quiet --rm "$container" "$gateway" >/dev/null
  else
    printf 'not made: %s (no Go, or its module proxy cannot be reached)\n' "$gateway" >&2
  fi
fi
podman images
