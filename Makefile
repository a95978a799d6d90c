# `make synth` and `make test` set up everything that they need on a machine with Python 3.11+ and make.
PYTHON ?= python3
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: synth test prove soak check format lock tools benchmark pictures

synth: .venv/ready ## Render every environment into dist/
	python -m apps.synth dist

test: .venv/ready node_modules/ready ## Unit and property tests: minutes; no root, no Go
	python -m pytest tests --ignore=tests/real --numprocesses=auto --dist=loadfile

prove: .venv/ready node_modules/ready tools ## The real programs, and a real cluster that runs what is rendered
	python -m pytest tests/real -m "not cluster and not soak" --durations=15
	python -m pytest tests/real -m "cluster and not soak" --durations=25 # by itself: it measures how soon somebody hears

soak: .venv/ready tools ## What takes longer than CI can
	python -m pytest tests/real -m soak

tools: .venv/ready
	python tools/build.py

check: .venv/ready ## Lint, format and types
	ruff check .
	ruff format --check .
	mypy --strict constructs_lib apps benchmarks pictures examples/prometheus/app.py
	mypy --strict examples/backup/app.py
	cd examples/onboarded-service && mypy --strict .

format: .venv/ready
	ruff check --fix .
	ruff format .

benchmark: .venv/ready node_modules/ready tools ## Print the figures of benchmarks/README.md
	python -m benchmarks.rendering
	python -m benchmarks.templates
	python -m benchmarks.backup

pictures: .venv/ready tools ## Draw docs/pictures again, of what dashboards find on the tests' cluster; without it: python -m pictures
	python -m pytest tests/real/answers.py
	python -m pictures

lock: ## Pin again what pyproject.toml asks for; uv is needed for this alone
	uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--extra agent --group dev pyproject.toml -o requirements.txt
	uv pip compile --python-platform linux --python-version 3.11 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate --constraint requirements.txt --group agent -o agent/requirements.txt
	uv pip compile --python-platform linux --python-version 3.13 --generate-hashes --no-emit-index-url --no-header \
		--no-annotate tools/localstack/requirements.in -o tools/localstack/requirements.txt

.venv/ready: requirements.txt pyproject.toml
	@$(PYTHON) -c "import sys; sys.exit(None if sys.version_info >= (3, 11) else 'Python 3.11 or later is needed: make PYTHON=python3.11')"
	$(PYTHON) -m venv --clear .venv
	pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	touch $@

node_modules/ready: package-lock.json .venv/ready
	npm ci --silent
	touch $@
