# One line each, with why. `./install.sh test` makes the environment these lines use.
PY = .venv/bin/python
LOCK = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-emit-index-url --no-emit-find-links

.PHONY: lint test drill bench bench-compare serve docs lock vendor
lint:       ## seconds: what the test command checks before it runs anything
	$(PY) -m ruff check . && $(PY) -m ruff format --check . && $(PY) -m mypy --strict src && .venv/bin/lint-imports
test:       ## everything, as continuous integration does it
	./install.sh test
drill:      ## the long ones: kill -9 loops, bursts
	$(PY) -m pytest -m drill
bench:      ## ratios to a bare handler on this same machine, so that figures travel
	$(PY) -m bench
bench-compare: ## what got better or worse since the run before: RUNS="older.json newer.json", or the two newest
	$(PY) -m bench.compare $(RUNS)
serve:      ## the demo shop
	./install.sh demo
docs:       ## the command line's own help is the reference
	$(PY) scripts/reference.py
lock:       ## pin anew; writes no download address (needs uv in the environment)
	$(LOCK) pyproject.toml -o requirements/run.txt
	$(LOCK) --extra postgres --extra valkey pyproject.toml -c requirements/run.txt -o requirements/postgres.txt
	$(LOCK) --extra s3 pyproject.toml -c requirements/run.txt -o requirements/s3.txt
	$(LOCK) pyproject.toml requirements/test.in -c requirements/run.txt -o requirements/test.txt
	$(LOCK) requirements/build.in -o requirements/build.txt
vendor:     ## fetch the browser's libraries again from what vendor.lock.json pins
	$(PY) scripts/vendor.py
