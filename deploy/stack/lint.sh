#!/usr/bin/env bash
# Checks what the containers are made from: what is generated, versions, the Dockerfile, the compose file.
# Nothing here needs a running Docker. The compose file is read by compose itself, with every profile;
# where there is none, Debian's package is unpacked under .cache (Debian 12 has only the old 1.29, so it
# comes from the release after it, by the mirrors that this machine's apt uses). Else this fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
KEPT=$PWD/.cache/compose

of_debian() { # unpacks compose, leaving the machine's own package lists alone
  local sources=/etc/apt/sources.list.d/debian.sources apt=$KEPT/apt
  [ -f "$sources" ] && command -v apt-get >/dev/null || return 1
  mkdir -p "$apt"/{parts,lists/partial,cache/partial}
  sed 's/bookworm/trixie/g' "$sources" >"$apt/parts/debian.sources"
  printf '%s\n' "Dir::Etc::SourceList \"$apt/none\";" "Dir::Etc::SourceParts \"$apt/parts\";" \
    "Dir::State::Lists \"$apt/lists\";" "Dir::Cache::Archives \"$apt/cache\";" 'APT::Sandbox::User "root";' >"$apt/conf"
  (cd "$apt" && export APT_CONFIG=$apt/conf && apt-get -qq update && apt-get -qq download docker-compose) || return 1
  dpkg -x "$apt"/docker-compose_*.deb "$apt/root"
  mv "$(find "$apt/root" -path '*cli-plugins/docker-compose' -type f)" "$KEPT/docker-compose"
  rm -rf "$apt"
}

compose() {
  if docker compose version >/dev/null 2>&1; then
    docker compose "$@"
  elif command -v docker-compose >/dev/null && docker-compose version --short | grep -q '^v\?2'; then
    docker-compose "$@"
  elif [ -x "$KEPT/docker-compose" ] || of_debian; then
    "$KEPT/docker-compose" "$@"
  else
    echo "docker-compose.yml was not checked: install Docker's compose plugin (2.24 or newer)." >&2
    return 1
  fi
}

.venv/bin/python -m deploy.stack.manifests --check
.venv/bin/hadolint deploy/Dockerfile
compose --env-file deploy/env.example \
  --profile cpu --profile gpu --profile observability --profile operator config --quiet
