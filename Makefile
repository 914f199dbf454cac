# One word per intention. `make demo` and `make test` set up what they need.
.PHONY: setup demo examples test lint docs picture bench chaos hosts-systemd base-images clean

PY = .venv/bin/python

setup: .venv/.ready

.venv/.ready: pyproject.toml constraints.txt scripts/setup.sh
	sh scripts/setup.sh
	touch .venv/.ready

demo: setup
	$(PY) scripts/demo.py

examples: setup
	$(PY) scripts/examples.py

test: setup
	$(PY) -m pytest -n 2 --dist worksteal

lint: setup
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy
	.venv/bin/lint-imports --no-logo

docs: setup
	$(PY) -m lading.manifest.reference docs/manifest.md
	$(PY) -m lading.cli.reference
	$(PY) -W ignore::RuntimeWarning -m lading.manifest.schema

picture: setup
	$(PY) -m scripts.picture

bench: setup
	$(PY) -m benchmarks.run bench

chaos: setup
	$(PY) -m benchmarks.run chaos

hosts-systemd: setup
	[ -d .systemd-root ] || scripts/systemd_root.sh .systemd-root
	LADING_TESTS_SYSTEMD_ROOT=$(CURDIR)/.systemd-root LADING_TESTS_NEED_ENGINE=1 \
		$(PY) -m pytest tests/system/test_hosts_systemd.py -v --durations=8

base-images:
	scripts/base_images.sh

clean:
	rm -rf .systemd-root .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
