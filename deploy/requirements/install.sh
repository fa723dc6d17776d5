#!/bin/sh
# Installs one requirements file into the image that is being built; see deploy/Dockerfile.
set -eu
export UV_CACHE_DIR=/root/.cache/uv  # the mount of the build; XDG_CACHE_HOME is for the processes
exec uv pip install --quiet \
  ${PACKAGE_INDEX:+--default-index "$PACKAGE_INDEX"} \
  ${TORCH_BACKEND:+--torch-backend "$TORCH_BACKEND"} \
  --constraints /requirements/pins.txt --overrides /requirements/overrides.in \
  --requirements "/requirements/$1"
