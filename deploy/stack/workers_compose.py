"""The workers of docker-compose.yml, and the names that Prometheus asks for."""

from __future__ import annotations

from collections.abc import Iterator

from deploy.stack.deployment import Deployment


def service_of(worker: Deployment) -> str:
    """The block of one worker; it leans on the anchors at the top of docker-compose.yml."""
    return "".join(f"{line}\n" for line in _lines(worker))


def _lines(worker: Deployment) -> Iterator[str]:
    layer = f", LAYER: {worker.layer}" if worker.layer != "mesh" else ""
    args = f"{{<<: *build-args, SERVICE: {worker.service}{layer}}}"
    yield f"  {worker.name}:"
    yield "    <<: *service"
    yield f"    image: ${{IMAGES:-actverse}}/{worker.service}:${{ACTVERSE_VERSION:-latest}}"
    yield f"    build: {{<<: *build, target: worker, args: {args}}}"
    if worker.internet:
        yield f"    networks: [inside, outside] # {worker.internet_for}"
    yield "    volumes:"
    yield "      - ${WORK_DIR:-work}:/data"
    if worker.weights:
        yield "      - ${MODELS_DIR:-weights}:/weights"
        yield "      - ./triton_models/global:/app/triton_models/global:ro"
    if worker.models:
        yield f"      - models:/models{':ro' if worker.models == 'reads' else ''}"
    if worker.compose.shared_memory:
        yield f"    shm_size: {worker.compose.shared_memory}"
    if worker.models:
        yield "    depends_on:"
        yield "      <<: *ready"
        yield "      global-model: {condition: service_completed_successfully}"
    yield "    healthcheck: *turning"
    yield f"    deploy: *{worker.compose.size}"


def scraped(worker: Deployment) -> str:
    """Its line among the names that Prometheus resolves."""
    return f"          - {worker.name}\n"
