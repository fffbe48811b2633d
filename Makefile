# Every target that needs the environment sets it up first; a second run is a matter of seconds.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PYTHON := .venv/bin/python

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: setup
setup: ## Install all that is needed: uv, Python packages, jars, the safe format
	@scripts/setup.sh

.PHONY: demo
demo: setup ## Run the whole loop on real data and prove that nothing was lost
	@.venv/bin/lakehead demo $(ARGS)

.PHONY: test-fast
test-fast: setup ## Tests without engines
	@LAKEHEAD_DRAWS=fast $(PYTHON) -m pytest tests/unit -n logical --dist loadfile -m "not thorough"

.PHONY: test
test: setup lint test-jvm ## Everything that CI runs: lint, Java tests, unit, integration, recovery
	@LAKEHEAD_EXAMPLES=300 $(PYTHON) -m pytest tests/unit -n logical --dist loadfile
	@$(PYTHON) -m pytest tests/integration tests/recovery --durations=30

.PHONY: test-search
test-search: setup ## Unit tests on examples that no run before has drawn, many of them
	@LAKEHEAD_DRAWS=search LAKEHEAD_EXAMPLES=1000 $(PYTHON) -m pytest tests/unit -n logical --dist loadfile

.PHONY: test-jvm
test-jvm: setup ## Tests of the safe format
	@mvn -f jvm/pom.xml -C -B -ntp -q verify

.PHONY: lint
lint: setup ## Format, lint, types, direction of imports
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy
	@.venv/bin/lint-imports --no-logo

.PHONY: sbom
sbom: setup ## Bills of materials of the Python packages and the jars, in build/sbom
	@scripts/sbom.sh build/sbom

.PHONY: audit
audit: sbom ## Known vulnerabilities of all dependencies, as osv.dev has them; needs the network
	@$(PYTHON) scripts/audit.py $(ARGS) build/sbom/python.json build/sbom/jars.json

.PHONY: format
format: setup ## Rewrite the Python sources in the project's format
	@$(PYTHON) -m ruff format .
	@$(PYTHON) -m ruff check --fix .

.PHONY: lock-jars
lock-jars: ## Record the checksums of the jars after a version has changed
# Not after setup, which holds the new jars against the old lock.
	@mvn -f jvm/pom.xml -C -B -ntp -q -DskipTests verify
	@cd jvm/target/jars && find . -name '*.jar' ! -name 'lakehead-*' -printf '%P\n' \
	  | LC_ALL=C sort | xargs sha256sum > ../jars.lock.part && mv ../jars.lock.part ../../jars.lock

.PHONY: clean
clean: ## Remove what was built, keep the environment and the lake
	@rm -rf build jvm/target jvm/*/target \
	  .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## Remove the environment too; the lake in .lakehead stays
	@rm -rf .venv .tools
