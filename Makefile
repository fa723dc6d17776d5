# Actverse. `make help` lists the verbs.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PY := .venv/bin/python
# A process for each core: three at a time are a sixth quicker, and make what looks at the clock late.
TESTS_AT_ONCE := 2
SIDE_BY_SIDE = --numprocesses $(TESTS_AT_ONCE) --dist loadgroup --no-loadscope-reorder
export YOLO_OFFLINE := 1
export ORT_DISABLE_TELEMETRY := 1

.PHONY: help setup demo demo-audio up labelstudio stack stack-down test test-all bench faults lint lock manifests pipelines doctor clean

help: ## list the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 12
	@echo
	@echo "make demo VIDEO=clip.mp4 TRUTH=boxes.csv    your own video; TRUTH plays the annotator"
	@echo "make demo VIDEO=clip.mp4 LABELER=auto       ... the global model's confident boxes do"
	@echo 'make demo-audio ACTOR=take.wav TEXT="what is said" SAY=mine.webm    your own line'
	@echo "make up PORT=9000                           another port"
	@echo "make up FLOWER=1                            with a look into the workers"

setup: ## make the virtual environments under the checkout (the other verbs do it by themselves)
	@deploy/local/setup.sh main
	@deploy/local/setup.sh triton

demo: setup ## a video becomes a detector of its own, live, with a table at the end
	@$(PY) -m deploy.local.demo $(if $(VIDEO),--video '$(VIDEO)') $(if $(TRUTH),--truth '$(TRUTH)') \
	  $(if $(LABELER),--labeler '$(LABELER)') $(if $(SHORT),--short)

demo-audio: setup ## a line is said after an actor by several learners; scores and advice, live
	@$(PY) -m deploy.local.demo_speech $(if $(ACTOR),--actor '$(ACTOR)') $(if $(TEXT),--text "$(TEXT)") \
	  $(if $(SAY),--say '$(SAY)') $(if $(LANGUAGE),--language $(LANGUAGE))

up: setup ## keep the mesh running; prints the URL and the API key
	@$(if $(PORT),ACTVERSE_GATEWAY__PORT=$(PORT)) $(PY) -m deploy.local.mesh $(if $(FLOWER),--flower)

labelstudio: setup ## a Label Studio of this machine, wired to `make up` (installs 1 GB, once)
	@deploy/local/setup.sh label_studio
	@$(PY) -m deploy.local.label_studio

stack: setup ## the mesh in containers: build, start, wait, try each kind of work (PROFILE=cpu|gpu for Triton)
	@$(PY) -m deploy.stack up $(if $(PROFILE),--profile $(PROFILE)) $(if $(VIDEO),--video '$(VIDEO)')

stack-down: setup ## remove the containers; VOLUMES=delete also what they have stored
	@$(PY) -m deploy.stack down $(if $(filter delete,$(VOLUMES)),--volumes)

# What is compiled is kept, whatever the shell says: a test starts a hundred processes of the same code.
test test-all: export PYTHONDONTWRITEBYTECODE :=
test: setup ## every test but the long ones
	@$(PY) -m pytest -q -m 'not slow' $(SIDE_BY_SIDE) $(ARGS)

test-all: setup ## the long ones too
	@$(PY) -m pytest -q $(ARGS)

bench: setup ## speed against bare tools, as ratios; writes docs/bench.md
	@$(PY) -m tests.bench $(ARGS)

faults: setup ## kill everything in the middle of 1000 tasks, on both wirings, and count
	@$(PY) -m tests.faults $(ARGS)

lint: setup ## format, style, types, and what deployments are made from
	@.venv/bin/ruff format --check .
	@.venv/bin/ruff check .
	@.venv/bin/mypy
	@deploy/stack/lint.sh
	@$(PY) -m deploy.k8s.check

lock: ## choose versions anew after an edit of requirements; then `make manifests`
	@deploy/local/setup.sh lock

manifests: setup ## write what deployments say about each worker, from services/*/deployment.toml, and the pins
	@$(PY) -m deploy.stack.manifests

pipelines: setup ## print the map: which step follows which event
	@$(PY) -m deploy.cli pipelines

doctor: setup ## check this machine and the mesh on it
	@$(PY) -m deploy.cli doctor

clean: ## remove the virtual environments and all run-time files
	@rm -rf .venv .venv-triton .venv-label-studio .venv-uv .pytest_cache .mypy_cache .ruff_cache
	@find data_storage -mindepth 1 ! -name .gitkeep -delete
