# Daily work. A newcomer needs only ./run and ./test.

# The resolver that writes requirements/; only `make lock` needs it.
uv = uv==0.13.8
compile = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock"

.PHONY: help venv lint types test demo bench fuzz flame soak lock lock-python lock-node clean

help: ## list what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv:
	@scripts/setup.sh test

lint: types ## ruff and mypy
	@.venv/bin/ruff check

types: venv ## mypy, strict, on packages and tests
	@.venv/bin/mypy

test: ## everything: lint, types, tests
	@./test

demo: ## a client's whole exchange, step by step
	@./run demo

bench: venv ## figures beside their bounds; writes bench/results/ and docs/performance.md
	@.venv/bin/python -m bench

soak: venv ## two hours of mixed load, and a verdict (docs/operator.md)
	@.venv/bin/python -m tests.soak

flame: ## the cost of each step of a request; writes bench/results/ and docs/performance.*
	@scripts/setup.sh bench
	@.venv/bin/python -m bench.flame

fuzz: ## a million hostile frames and wraps; FUZZ='--seed 7 --minutes 5' for other figures
	@scripts/setup.sh fuzz
	@.venv/bin/python -m tests.fuzz $(FUZZ)

lock: lock-python lock-node ## write requirements/ and package-lock.json anew, with today's versions

lock-python: venv
	.venv/bin/python -m pip install --quiet '$(uv)'
	$(compile) --upgrade --group pyproject.toml:build --output-file requirements/build.txt
	$(compile) --upgrade pyproject.toml --output-file requirements/run.txt
	$(compile) --upgrade pyproject.toml --group pyproject.toml:test --constraints requirements/run.txt \
		--output-file requirements/test.txt
	$(compile) --upgrade --group pyproject.toml:node --output-file requirements/node.txt
	$(compile) --upgrade --group pyproject.toml:bench --output-file requirements/bench.txt
	$(compile) --upgrade --group pyproject.toml:fuzz --output-file requirements/fuzz.txt
	$(compile) --upgrade --group pyproject.toml:peers --output-file requirements/peers.txt

lock-node: venv
	cd tests/interop && PATH="$(CURDIR)/.venv/bin:$$PATH" npm install --package-lock-only --silent
	.venv/bin/python scripts/strip_addresses.py tests/interop/package-lock.json

clean: ## remove what can be made again; never ./data
	rm -rf .venv .venv-peers .setup.lock .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage build dist *.egg-info
	rm -rf tests/interop/node_modules
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
