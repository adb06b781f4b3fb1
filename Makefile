# Every target sets up what it needs first; set-up does nothing when nothing has changed.
VENV := .venv
PY := $(VENV)/bin/python
.DEFAULT_GOAL := help
.PHONY: bench-tail help setup demo test check proto bench bench-suite bench-core bench-job bench-features bench-late bench-freshness bench-scaling bench-quiet bench-replay bench-serving profile soak fuzz clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Install everything into .venv, and redis-server and Kafka where they are missing
	@scripts/setup

demo: setup ## Run the main job end to end on local Kafka, Redis and Flink, and watch scores move
	@$(VENV)/bin/driftline demo

test: check ## Run every test, the end-to-end ones on the real stack included
	@$(PY) -m pytest

check: setup ## Lint, types, which folder may import which, and that the generated protobuf code is that of the contracts
	@$(VENV)/bin/ruff check .
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/mypy
	@$(VENV)/bin/lint-imports > /dev/null || $(VENV)/bin/lint-imports
	@$(VENV)/bin/buf lint
	@scripts/check-protobuf

proto: setup ## Regenerate the protobuf code below driftline/
	@scripts/generate-protobuf

bench: setup ## Run every benchmark (an hour), end with everything required; WRITE=1 puts the results into docs/
	@$(PY) -m benchmarks.all $(if $(WRITE),--write)

bench-suite: setup ## Run Driftline and other frameworks over the same topic with the same duty (half an hour)
	@$(PY) -m benchmarks.suite

bench-core: setup ## Compare the core's CPU time with that of the checkout OTHER=../path, in turns
	@$(PY) -m benchmarks.core_turns $(OTHER)

bench-job: setup ## Measure the job's throughput over a backlog, beside a JVM-only job in the same run
	@$(PY) -m benchmarks.job

bench-features: setup ## Measure the job's throughput with 200 declared features, beside the shipped set in the same run
	@$(PY) -m benchmarks.job --declarations benchmarks/many_features

bench-late: setup ## Measure the job's throughput with 5 % of the events a day late, beside all in order, and the bytes of states
	@$(PY) -m benchmarks.job --late-share 0.05 --late-by-ms 86400000

bench-freshness: setup ## Measure the time from publish to readable over gRPC
	@$(PY) -m benchmarks.freshness

bench-scaling: setup ## Measure how cost, state and Redis grow with users, history, disorder and TaskManagers
	@$(PY) -m benchmarks.scaling

bench-tail: setup ## Measure what the disorder bound costs the core, in order and with events that come late
	@$(PY) -m benchmarks.deep_tail

bench-quiet: setup ## Measure freshness while a million silent users are checked and scored at an age (a quarter of an hour)
	@$(PY) -m benchmarks.quiet_users

bench-replay: setup ## Measure replays of two million events, from the topic, the lake and without Flink, beside the live job
	@$(PY) -m benchmarks.replay

bench-serving: setup ## Measure the gRPC server beside an empty call and Feast's online server (needs Go)
	@$(PY) -m benchmarks.serving

profile: setup ## Measure where a microsecond goes, in the JVM and in Python; WRITE=1 puts it into docs/
	@$(PY) -m benchmarks.profile $(if $(WRITE),--write)

soak: setup ## Run the job for an hour under load and crashes, and check that every total adds up
	@$(PY) -m benchmarks.soak

fuzz: setup ## Feed ten million damaged and hostile records to the core (a quarter of an hour)
	@$(PY) -m benchmarks.fuzz

clean: ## Stop the local stack and remove everything that set-up, tests and the stack made here
	@if [ -x $(VENV)/bin/driftline ]; then $(VENV)/bin/driftline down --purge; fi
	@rm -rf $(VENV) .driftline build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@rm -f udfs/compiled_from.sha256
	@find udfs state_schemas sink_connectors driftline -name '*.so' -delete
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
